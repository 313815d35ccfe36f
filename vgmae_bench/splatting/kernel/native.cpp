// Splatting on the CPU: projection and compositing, forward and backward.
//
// One C interface without dependencies. Any C++17 compiler compiles it on first use; ctypes calls it. Vector types of GCC
// and Clang hold LANES neighbouring pixels of a row, or LANES Gaussians. OpenMP, if available, distributes groups of bands
// over threads. The order of every sum depends on sizes alone, so results do not depend on the number of threads.
//
// w = alpha * T, with the transmittance T. C = sum w f and A = sum w, front to back, where
//   alpha = min(max_alpha, o exp(-sigma)), skipped below 1/255. A pixel stops before the Gaussian that makes T <= 1e-4.

#include <type_traits>

#include "blocks.h"
#include "projection.h"

namespace {

// The sizes of a call, in the layout of native.py.
struct Sizes {
  int images, count, height, width, channels;
  float max_alpha;
};

constexpr double PAIRS_PER_THREAD = 4e6;  // pixels times Gaussians, about 0.5 ms of work; less does not pay for a thread

// Results of the forward pass that the backward pass needs.
struct State {
  Scene scene;
  std::vector<Image> images;
  std::vector<Lists> lists;  // of each band of each image

  explicit State(const Sizes& n)
      : scene(n.images, n.count, n.height, n.width, n.channels, n.max_alpha),
        images(n.images),
        lists(size_t(n.images) * scene.bands()) {}

  int useful(int threads) const {
    double pairs = double(scene.images) * scene.count * scene.height * scene.width;
    return int(std::max(1.0, std::min(double(threads), pairs / PAIRS_PER_THREAD)));
  }
};

// Groups of bands per image: enough for many threads, few enough to keep their partial sums small.
int groups_of(const Scene& s, int values) {
  double each = double(s.images) * s.count * values * sizeof(float);
  int most = int(std::min(double(s.bands()), 3.2e7 / std::max(each, 1.0)));
  return std::clamp(64 / std::max(s.images, 1), 1, std::max(most, 1));
}

// Calls work(image, band index, Band, Scratch, group) for all bands of all images.
template <class Work>
void for_each_band(const State& state, int groups, int threads, const Work& work) {
  const Scene& s = state.scene;
  (void)threads;  // without OpenMP there is one thread
#pragma omp parallel num_threads(state.useful(threads))
  {
    Band band;
    Scratch scratch;
#pragma omp for schedule(dynamic, 1)
    for (int task = 0; task < s.images * groups; ++task) {
      int image = task / groups, group = task % groups;
      for (int k = s.bands() * group / groups; k < s.bands() * (group + 1) / groups; ++k) {
        band.fill(state.images[image], k);
        work(image, k, band, scratch, group);
      }
    }
  }
}

// Calls pass<C>(its first channel) for runs of at most CHANNELS channels.
template <class Pass>
void for_each_pass(int channels, const Pass& pass) {
  for (int done = 0; done < channels; done += CHANNELS) switch (std::min(CHANNELS, channels - done)) {
      case 1: pass(std::integral_constant<int, 1>{}, done); break;
      case 2: pass(std::integral_constant<int, 2>{}, done); break;
      case 3: pass(std::integral_constant<int, 3>{}, done); break;
      case 4: pass(std::integral_constant<int, 4>{}, done); break;
      default: pass(std::integral_constant<int, CHANNELS>{}, done);
    }
}

// Composites all images. Calls place(image) before each of them.
template <class Place>
void forward(State& state, int threads, const Place& place, float* out, float* out_alpha) {
  const Scene& s = state.scene;
#pragma omp parallel for schedule(dynamic, 1) num_threads(state.useful(threads))
  for (int image = 0; image < s.images; ++image) {
    place(image);
    state.images[image].fill(s, image);
  }
  for_each_pass(s.channels, [&](auto c, int pass) {
    for_each_band(state, groups_of(s, 1), threads, [&](int image, int k, Band& band, Scratch&, int) {
      Lists& lists = state.lists[size_t(image) * s.bands() + k];
      if (pass == 0) band.share_out(s, state.images[image], k, lists);
      forward_band<c()>(s, band, lists, pass, image, k, out, pass ? nullptr : out_alpha);
    });
  });
}

// Gradients of a scene on the image plane, shaped like its arrays.
struct Gradients {
  float *means2d, *conics, *opacities, *features;
};

// Overwrites the gradients of the features and adds to the others, which are linear in grad_out, so that passes add up.
template <int C>
void backward_pass(const State& state, int threads, int pass, const float* grad_out, const float* grad_alpha,
                   const Gradients& grad) {
  const Scene& s = state.scene;
  const int values = MOMENTS + C, groups = groups_of(s, values);
  const size_t gaussians = size_t(s.images) * s.count;
  std::vector<float> totals(gaussians * groups * values);
  for_each_band(state, groups, threads, [&](int image, int k, const Band& band, Scratch& scratch, int group) {
    backward_band<C>(s, band, state.lists[size_t(image) * s.bands() + k], pass, image, k, grad_out, grad_alpha, scratch,
                     &totals[(size_t(image) * groups + group) * s.count * values]);
  });
  for (size_t n = 0; n < gaussians; ++n) {
    float m[values] = {};
    for (int group = 0; group < groups; ++group)
      for (int v = 0; v < values; ++v)
        m[v] += totals[((n / s.count * groups + group) * s.count + n % s.count) * values + v];
    const float *conic = &s.conics[3 * n], o = s.opacities[n];
    grad.means2d[2 * n] += conic[0] * m[M_X] + conic[1] * m[M_Y];
    grad.means2d[2 * n + 1] += conic[1] * m[M_X] + conic[2] * m[M_Y];
    grad.conics[3 * n] -= 0.5f * m[M_XX];
    grad.conics[3 * n + 1] -= m[M_XY];
    grad.conics[3 * n + 2] -= 0.5f * m[M_YY];
    if (m[M_1] != 0) grad.opacities[n] += m[M_1] / o;
    for (int c = 0; c < C; ++c) grad.features[n * s.channels + pass + c] = m[MOMENTS + c];
  }
}

void backward(const State& state, int threads, const float* grad_out, const float* grad_alpha, const Gradients& grad) {
  for_each_pass(state.scene.channels, [&](auto c, int pass) {
    backward_pass<c()>(state, threads, pass, grad_out, pass ? nullptr : grad_alpha, grad);
  });
}

// Arrays of Gaussians in the world, and their cameras. Image i uses row rows[a][i] of array a (in the order of the members).
// Images may share rows.
struct Cloud {
  const float *means, *quats, *scales, *opacities, *features, *viewmats, *Ks;
  const int* rows;

  int row(int array, int image, int images) const { return rows[array * images + image]; }
};

void project(const Cloud& cloud, Scene& s, int image) {
  const auto row = [&](int array) { return size_t(cloud.row(array, image, s.images)); };
  const Camera camera(cloud.viewmats + 16 * row(5), cloud.Ks + 9 * row(6), s.height, s.width);
  const size_t here = size_t(image) * s.count, all = s.count;
  std::copy_n(cloud.opacities + row(3) * all, all, s.opacities.begin() + here);
  std::copy_n(cloud.features + row(4) * all * s.channels, all * s.channels, s.features.begin() + here * s.channels);
  for (int i = 0; i < s.count; i += LANES) {
    const int n = std::min(LANES, s.count - i);
    const Projected p(camera, cloud.means + 3 * (row(0) * all + i), cloud.quats + 4 * (row(1) * all + i),
                      cloud.scales + 3 * (row(2) * all + i), n);
    const size_t at = here + i;
    for (int k = 0; k < 2; ++k) store(p.means2d[k], &s.means2d[2 * at + k], 2, n);
    for (int k = 0; k < 3; ++k) store(p.conics[k], &s.conics[3 * at + k], 3, n);
    store(p.depth, &s.depths[at], 1, n);
    for (int k = 0; k < n; ++k) s.visible[at + k] = p.visible[k] != 0;
  }
}

// Adds the gradients of image `image` to those of the rows that it uses.
void unproject(const Cloud& cloud, const Scene& s, int image, const Gradients& flat, float* const* grads) {
  const auto row = [&](int array) { return size_t(cloud.row(array, image, s.images)); };
  const Camera camera(cloud.viewmats + 16 * row(5), cloud.Ks + 9 * row(6), s.height, s.width);
  const size_t here = size_t(image) * s.count, all = s.count;
  for (size_t i = 0; i < all; ++i) grads[3][row(3) * all + i] += flat.opacities[here + i];
  for (size_t i = 0; i < all * s.channels; ++i)
    grads[4][row(4) * all * s.channels + i] += flat.features[here * s.channels + i];
  for (int i = 0; i < s.count; i += LANES) {
    const int n = std::min(LANES, s.count - i);
    const size_t means = 3 * (row(0) * all + i), quats = 4 * (row(1) * all + i), scales = 3 * (row(2) * all + i);
    const Projected p(camera, cloud.means + means, cloud.quats + quats, cloud.scales + scales, n);
    Pixels d_means2d[2], d_conics[3], d_mean[3], d_quat[4], d_scale[3];
    for (int k = 0; k < 2; ++k) d_means2d[k] = load(flat.means2d + 2 * (here + i) + k, 2, n);
    for (int k = 0; k < 3; ++k) d_conics[k] = load(flat.conics + 3 * (here + i) + k, 3, n);
    p.backward(camera, d_means2d, d_conics, d_mean, d_quat, d_scale);
    for (int k = 0; k < 3; ++k) add(d_mean[k], grads[0] + means + k, 3, n);
    for (int k = 0; k < 4; ++k) add(d_quat[k], grads[1] + quats + k, 4, n);
    for (int k = 0; k < 3; ++k) add(d_scale[k], grads[2] + scales + k, 3, n);
  }
}

}  // namespace

extern "C" {

State* vgmae_composite(const Sizes* sizes, int threads, const float* means2d, const float* conics, const float* depths,
                       const int* radii, const float* opacities, const float* features, float* out, float* out_alpha) {
  State* state = new State(*sizes);
  Scene& s = state->scene;
  const size_t all = size_t(s.images) * s.count;
  s.means2d.assign(means2d, means2d + 2 * all), s.conics.assign(conics, conics + 3 * all);
  s.depths.assign(depths, depths + all), s.opacities.assign(opacities, opacities + all);
  s.features.assign(features, features + s.channels * all);
  for (size_t n = 0; n < all; ++n) s.visible[n] = radii[2 * n] > 0 && radii[2 * n + 1] > 0;
  forward(*state, threads, [](int) {}, out, out_alpha);
  return state;
}

// Adds to the gradients of means2d, conics and opacities. Overwrites those of the features.
void vgmae_composite_backward(const State* state, int threads, const float* grad_out, const float* grad_alpha,
                              float* const* grads) {
  backward(*state, threads, grad_out, grad_alpha, {grads[0], grads[1], grads[2], grads[3]});
}

State* vgmae_render(const Sizes* sizes, int threads, const Cloud* cloud, float* out, float* out_alpha) {
  State* state = new State(*sizes);
  forward(*state, threads, [&](int image) { project(*cloud, state->scene, image); }, out, out_alpha);
  return state;
}

// Adds to the gradients of means, quats, scales, opacities and features, whose shapes are those of the cloud's arrays.
void vgmae_render_backward(const State* state, int threads, const Cloud* cloud, const float* grad_out,
                           const float* grad_alpha, float* const* grads) {
  const Scene& s = state->scene;
  const size_t all = size_t(s.images) * s.count;
  std::vector<float> flat((2 + 3 + 1 + s.channels) * all);
  float* at = flat.data();
  const Gradients on_plane{at, at + 2 * all, at + 5 * all, at + 6 * all};
  backward(*state, threads, grad_out, grad_alpha, on_plane);
  for (int image = 0; image < s.images; ++image) unproject(*cloud, s, image, on_plane, grads);
}

void vgmae_free(State* state) { delete state; }
}
