// Compositing of projected Gaussians on the CPU, forward and backward.
//
// One C interface, no dependencies: compiled on first use by whatever C++17 compiler is at hand and called by ctypes.
// GCC/Clang vector types carry LANES neighbouring pixels of a row; OpenMP, where it exists, shares out groups of bands.
// Every sum is taken in an order that depends on sizes alone, so results do not depend on the number of threads.
//
// With w = alpha * T and T the light that is left: C = sum w f, A = sum w, front to back, where
//   alpha = min(max_alpha, o exp(-sigma)), skipped below 1/255; a pixel ends before the Gaussian that makes T <= 1e-4.
// sigma is a sum of squares, by Cholesky: opacity and the change to base 2 are folded into it, so that
//   log2 alpha = top - (p dx + q dy)^2 - (r dy)^2
// costs an addition and a fused multiply-add per pixel once p dx and the rest of each row are known.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
constexpr int ROWS = 4;      // a block is ROWS x LANES pixels and lives in registers
constexpr int BLOCKS = 8;    // a band is BLOCKS rows of blocks
constexpr int BAND = ROWS * BLOCKS;
constexpr int CHANNELS = 5;  // most channels composited at once; more are done in several passes

typedef float Pixels __attribute__((vector_size(4 * LANES)));
typedef int Bits __attribute__((vector_size(4 * LANES)));

constexpr float LOG2_ALPHA_MIN = -7.99435343685886f;  // log2(1/255)
constexpr float T_STOP = 1e-4f;
constexpr float SLACK = 1e-3f;  // px: culling may err towards more work, never towards less light

// 2^x for -126 < x < 127, relative error 1.2e-7: minimax polynomial on [-1/2, 1/2], exponent added to the bits.
inline Pixels exp2(Pixels x) {
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  Pixels shifted = x + shift;
  Pixels f = x - (shifted - shift);
  Pixels y = f * 1.3333558146e-3f + 9.6181291076e-3f;
  y = y * f + 5.5504108664e-2f;
  y = y * f + 2.4022650695e-1f;
  y = y * f + 6.9314718056e-1f;
  y = y * f + 1.0f;
  return (Pixels)((Bits)y + ((Bits)shifted << 23));
}

inline float sum(const Pixels& v) {
  float part[LANES];
  std::memcpy(part, &v, sizeof part);
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) part[i] += part[half + i];
  return part[0];
}

// Whether light is left in any pixel of a block.
inline bool any_light(const Pixels* light) {
  Bits lit = light[0] > T_STOP;
  for (int r = 1; r < ROWS; ++r) lit |= light[r] > T_STOP;
  int part[LANES], any = 0;
  std::memcpy(part, &lit, sizeof part);
  for (int i = 0; i < LANES; ++i) any |= part[i];
  return any != 0;
}

// Everything one call works on; arrays are row-major, N Gaussians in each of `images` images of height x width.
struct Scene {
  int images, count, height, width, stride;  // stride: channels of `features`, of which a pass does C
  float max_alpha;
  const float *means2d, *conics, *depths, *opacities, *features;
  const int* radii;
  int columns() const { return (width + LANES - 1) / LANES; }
  int bands() const { return (height + BAND - 1) / BAND; }
};

struct Splat {  // a visible Gaussian
  float x, y, p, q, r, top;
  float reach;    // square root of the largest sum of squares that is still visible
  float y_reach;  // half its height, px
  float tip;      // it reaches furthest right at y - tip and furthest left at y + tip
  int index;
};

struct Image {
  std::vector<Splat> splats;            // visible ones, nearest first, equal depths in their given order
  std::vector<std::vector<int>> bands;  // those that touch each band

  void fill(const Scene& s, int image) {
    std::vector<std::pair<float, int>> order;
    for (int i = 0; i < s.count; ++i) {
      size_t n = size_t(image) * s.count + i;
      if (s.radii[2 * n] > 0 && s.radii[2 * n + 1] > 0 && s.conics[3 * n] > 0 && s.opacities[n] >= 1.0f / 255 &&
          std::isfinite(s.means2d[2 * n] + s.means2d[2 * n + 1] + s.depths[n]))
        order.emplace_back(s.depths[n], i);
    }
    std::sort(order.begin(), order.end());
    bands.resize(s.bands());
    for (auto [depth, i] : order) {
      size_t n = size_t(image) * s.count + i;
      double a = s.conics[3 * n], b = s.conics[3 * n + 1], c = s.conics[3 * n + 2];
      double rest = std::max(c - b * b / a, 1e-7 * c);  // positive but for rounding
      const double half_log2e = 0.5 * 1.4426950408889634;
      Splat g{};
      g.x = s.means2d[2 * n], g.y = s.means2d[2 * n + 1], g.index = i;
      g.p = std::sqrt(half_log2e * a), g.q = half_log2e * b / g.p, g.r = std::sqrt(half_log2e * rest);
      g.top = std::log2(s.opacities[n]), g.reach = std::sqrt(std::max(g.top - LOG2_ALPHA_MIN, 0.0f));
      g.y_reach = g.reach / g.r + SLACK, g.tip = g.q / g.r * g.reach / std::sqrt(g.q * g.q + g.r * g.r);
      // Row k has its centres at k + 0.5.
      float from = std::max(g.y - g.y_reach - 0.5f, 0.0f), to = std::min(g.y + g.y_reach - 0.5f, s.height - 1.0f);
      if (!(from <= to)) continue;
      for (int k = int(from) / BAND; k <= int(to) / BAND; ++k) bands[k].push_back(int(splats.size()));
      splats.push_back(g);
    }
  }
};

struct Entry {  // a splat in a band: what is the same in all its columns
  float q_dy[BAND], top[BAND], dy[BAND];
  float x, p;
  int index;
};

// The Gaussians that touch a band, front to back, and for each of its blocks those that touch it.
struct Band {
  std::vector<Entry> entries;
  std::vector<std::vector<int>> lists;  // BLOCKS of a column, then the next column

  void fill(const Scene& s, const Image& image, int band) {
    const std::vector<int>& here = image.bands[band];
    lists.resize(s.columns() * BLOCKS);
    for (auto& list : lists) list.clear();
    entries.resize(here.size());
    for (int k = 0; k < int(here.size()); ++k) {
      const Splat& g = image.splats[here[k]];
      Entry& e = entries[k];
      e.x = g.x, e.p = g.p, e.index = g.index;
      const float first = band * BAND + 0.5f - g.y;
      for (int r = 0; r < BAND; ++r) {
        e.dy[r] = first + r;
        e.q_dy[r] = g.q * e.dy[r];
        e.top[r] = g.top - g.r * g.r * e.dy[r] * e.dy[r];
      }
      float left[BLOCKS], right[BLOCKS];  // of the ellipse within the rows of a block
      for (int b = 0; b < BLOCKS; ++b) {
        float low = first + b * ROWS, high = low + ROWS - 1;
        float left_dy = std::min(std::max(g.tip, low), high), right_dy = std::min(std::max(-g.tip, low), high);
        float r_left = g.r * left_dy, r_right = g.r * right_dy, most = g.reach * g.reach;
        left[b] = g.x + (-g.q * left_dy - std::sqrt(std::max(most - r_left * r_left, 0.0f))) / g.p - SLACK;
        right[b] = g.x + (-g.q * right_dy + std::sqrt(std::max(most - r_right * r_right, 0.0f))) / g.p + SLACK;
      }
      for (int b = 0; b < BLOCKS; ++b) {
        if (first + b * ROWS > g.y_reach || first + b * ROWS + ROWS - 1 < -g.y_reach) continue;
        // Column k holds the pixel centres from k LANES + 0.5 to k LANES + LANES - 0.5.
        float from = std::max(left[b] - 0.5f, 0.0f), to = std::min(right[b] - 0.5f, s.width - 1.0f);
        if (!(std::ceil(from) <= to)) continue;
        for (int c = int(std::ceil(from)) / LANES; c <= int(to) / LANES; ++c) lists[c * BLOCKS + b].push_back(k);
      }
    }
  }
};

inline Pixels columns_from(int x0) {
  Pixels x;
  for (int i = 0; i < LANES; ++i) x[i] = x0 + i + 0.5f;
  return x;
}

// alpha of a row of a block, 0 where it is not visible; p_dx = p (x - mean).
inline Pixels row_alpha(const Entry& e, int r, Pixels p_dx, Pixels limit) {
  Pixels u = p_dx + e.q_dy[r];
  Pixels x = e.top[r] - u * u;
  Pixels alpha = exp2(x);
  alpha = alpha < limit ? alpha : limit;
  return x >= LOG2_ALPHA_MIN ? alpha : Pixels{};
}

// Calls move(i, k) for the n pixels and C channels of a row of a block: i is the place among pixels `stride` floats
// apart, k that among planes of LANES floats a channel. A constant stride is what compilers know how to shuffle.
template <int C, class Move>
inline void for_each_value(int n, int stride, const Move& move) {
  if (stride == C)
    for (int i = 0; i < n; ++i)
      for (int c = 0; c < C; ++c) move(i * C + c, c * LANES + i);
  else
    for (int i = 0; i < n; ++i)
      for (int c = 0; c < C; ++c) move(i * stride + c, c * LANES + i);
}

template <int C>
void forward_block(const Scene& s, const Band& band, int block, const std::vector<int>& list, const float* features,
                   int x0, Pixels (&color)[ROWS][C], Pixels (&opacity)[ROWS]) {
  Pixels light[ROWS];
  for (int r = 0; r < ROWS; ++r) {
    light[r] = Pixels{} + 1.0f;
    opacity[r] = Pixels{};
    for (int c = 0; c < C; ++c) color[r][c] = Pixels{};
  }
  const Pixels x = columns_from(x0), limit = Pixels{} + s.max_alpha;
  for (size_t k = 0; k < list.size(); ++k) {
    if (k % 8 == 7 && !any_light(light)) break;
    const Entry& e = band.entries[list[k]];
    const float* f = features + size_t(e.index) * s.stride;
    Pixels p_dx = (x - e.x) * e.p;
    for (int r = 0; r < ROWS; ++r) {
      Pixels alpha = row_alpha(e, block * ROWS + r, p_dx, limit), w = light[r] * alpha;
      light[r] -= w;
      w = light[r] > T_STOP ? w : Pixels{};  // light only falls: a pixel that has ended stays so
      opacity[r] += w;
      for (int c = 0; c < C; ++c) color[r][c] += w * f[c];
    }
  }
}

template <int C>
void forward_band(const Scene& s, const Band& band, int image, int index, float* out, float* out_alpha) {
  const float* features = s.features + size_t(image) * s.count * s.stride;
  for (int k = 0; k < int(band.lists.size()); ++k) {
    int block = k % BLOCKS, x0 = k / BLOCKS * LANES, y0 = index * BAND + block * ROWS, n = std::min(LANES, s.width - x0);
    Pixels color[ROWS][C], opacity[ROWS];
    forward_block<C>(s, band, block, band.lists[k], features, x0, color, opacity);
    for (int r = 0; r < ROWS && y0 + r < s.height; ++r) {
      size_t pixel = (size_t(image) * s.height + y0 + r) * s.width + x0;
      float planes[C * LANES], *to = out + pixel * s.stride;
      std::memcpy(planes, color[r], sizeof planes);
      for_each_value<C>(n, s.stride, [&](int i, int k) { to[i] = planes[k]; });
      if (out_alpha) std::memcpy(out_alpha + pixel, &opacity[r], n * sizeof(float));
    }
  }
}

// Sums over pixels of h = -dL/dsigma times 1, dx, dy, dx², dx dy, dy², and dL/df, per Gaussian.
enum Moment { M_1, M_X, M_Y, M_XX, M_XY, M_YY, MOMENTS };

struct Scratch {
  std::vector<Pixels> weights;  // alpha and w of every entry and row of the block, front to back
  std::vector<Pixels> sums;     // moments and dL/df of every entry of the band, lane by lane
};

template <int C>
void backward_block(const Scene& s, const Band& band, int block, const std::vector<int>& list, const float* features,
                    int x0, const Pixels (&grad)[ROWS][C], Pixels (&behind)[ROWS], Scratch& scratch) {
  const Pixels x = columns_from(x0), limit = Pixels{} + s.max_alpha;
  scratch.weights.resize(std::max(scratch.weights.size(), list.size() * 2 * ROWS));
  Pixels light[ROWS];
  for (int r = 0; r < ROWS; ++r) light[r] = Pixels{} + 1.0f;
  size_t used = 0;
  for (; used < list.size(); ++used) {
    if (used % 8 == 7 && !any_light(light)) break;
    const Entry& e = band.entries[list[used]];
    Pixels* kept = &scratch.weights[used * 2 * ROWS];
    Pixels p_dx = (x - e.x) * e.p;
    for (int r = 0; r < ROWS; ++r) {
      Pixels alpha = row_alpha(e, block * ROWS + r, p_dx, limit), w = light[r] * alpha;
      light[r] -= w;
      kept[2 * r] = light[r] > T_STOP ? alpha : Pixels{};
      kept[2 * r + 1] = light[r] > T_STOP ? w : Pixels{};
    }
  }
  // Back to front: with s = g . f and R what lies behind, dL/dalpha = T (s - R), and R becomes (1 - alpha) R + alpha s.
  for (size_t k = used; k-- > 0;) {
    const Entry& e = band.entries[list[k]];
    const float* f = features + size_t(e.index) * s.stride;
    const Pixels* kept = &scratch.weights[k * 2 * ROWS];
    Pixels h_1{}, h_y{}, h_yy{}, grad_f[C]{};
    for (int r = 0; r < ROWS; ++r) {
      Pixels alpha = kept[2 * r], w = kept[2 * r + 1];
      Pixels difference = -behind[r];
      for (int c = 0; c < C; ++c) difference += grad[r][c] * f[c];
      behind[r] += alpha * difference;
      Pixels h = alpha < limit ? w * difference : Pixels{};
      Pixels h_dy = h * e.dy[block * ROWS + r];
      h_1 += h;
      h_y += h_dy;
      h_yy += h_dy * e.dy[block * ROWS + r];
      for (int c = 0; c < C; ++c) grad_f[c] += w * grad[r][c];
    }
    Pixels* sums = &scratch.sums[size_t(list[k]) * (MOMENTS + C)];
    Pixels dx = x - e.x, h_x = h_1 * dx;
    sums[M_1] += h_1;
    sums[M_X] += h_x;
    sums[M_Y] += h_y;
    sums[M_XX] += h_x * dx;
    sums[M_XY] += h_y * dx;
    sums[M_YY] += h_yy;
    for (int c = 0; c < C; ++c) sums[MOMENTS + c] += grad_f[c];
  }
}

template <int C>
void backward_band(const Scene& s, const Band& band, int image, int index, const float* grad_out,
                   const float* grad_alpha, Scratch& scratch, float* totals) {
  const float* features = s.features + size_t(image) * s.count * s.stride;
  scratch.sums.assign(band.entries.size() * (MOMENTS + C), Pixels{});
  for (int k = 0; k < int(band.lists.size()); ++k) {
    int block = k % BLOCKS, x0 = k / BLOCKS * LANES, y0 = index * BAND + block * ROWS, n = std::min(LANES, s.width - x0);
    Pixels grad[ROWS][C]{}, behind[ROWS]{};
    for (int r = 0; r < ROWS && y0 + r < s.height; ++r) {
      size_t pixel = (size_t(image) * s.height + y0 + r) * s.width + x0;
      float planes[C * LANES] = {};
      const float* from = grad_out + pixel * s.stride;
      for_each_value<C>(n, s.stride, [&](int i, int k) { planes[k] = from[i]; });
      std::memcpy(grad[r], planes, sizeof planes);
      if (grad_alpha) std::memcpy(&behind[r], grad_alpha + pixel, n * sizeof(float));
      behind[r] = -behind[r];  // A = 1 - T: its gradient is that of darkness behind everything
    }
    backward_block<C>(s, band, block, band.lists[k], features, x0, grad, behind, scratch);
  }
  for (size_t k = 0; k < band.entries.size(); ++k)
    for (int m = 0; m < MOMENTS + C; ++m)
      totals[size_t(band.entries[k].index) * (MOMENTS + C) + m] += sum(scratch.sums[k * (MOMENTS + C) + m]);
}

// Groups of bands per image: enough for many threads, few enough to keep their partial sums small.
int groups_of(const Scene& s, int values) {
  double each = double(s.images) * s.count * values * sizeof(float);
  int most = int(std::min(double(s.bands()), 3.2e7 / std::max(each, 1.0)));
  return std::clamp(64 / std::max(s.images, 1), 1, std::max(most, 1));
}

// Calls work(image, band index, Band, Scratch, group) for all bands of all images.
template <class Work>
void for_each_band(const Scene& s, int groups, int threads, const Work& work) {
  std::vector<Image> images(s.images);
  (void)threads;  // without OpenMP there is one
#pragma omp parallel num_threads(threads)
  {
    Band band;
    Scratch scratch;
#pragma omp for schedule(dynamic, 1)
    for (int image = 0; image < s.images; ++image) images[image].fill(s, image);
#pragma omp for schedule(dynamic, 1)
    for (int task = 0; task < s.images * groups; ++task) {
      int image = task / groups, group = task % groups;
      for (int k = s.bands() * group / groups; k < s.bands() * (group + 1) / groups; ++k) {
        band.fill(s, images[image], k);
        work(image, k, band, scratch, group);
      }
    }
  }
}

template <int C>
void forward(const Scene& s, int threads, float* out, float* out_alpha) {
  for_each_band(s, groups_of(s, 1), threads, [&](int image, int k, const Band& band, Scratch&, int) {
    forward_band<C>(s, band, image, k, out, out_alpha);
  });
}

template <int C>
void backward(const Scene& s, int threads, const float* grad_out, const float* grad_alpha, float* grad_means2d,
              float* grad_conics, float* grad_opacities, float* grad_features) {
  const int values = MOMENTS + C, groups = groups_of(s, values);
  const size_t gaussians = size_t(s.images) * s.count;
  std::vector<float> totals(gaussians * groups * values);
  for_each_band(s, groups, threads, [&](int image, int k, const Band& band, Scratch& scratch, int group) {
    backward_band<C>(s, band, image, k, grad_out, grad_alpha, scratch,
                     &totals[(size_t(image) * groups + group) * s.count * values]);
  });
  for (size_t n = 0; n < gaussians; ++n) {
    float m[values] = {};
    for (int group = 0; group < groups; ++group)
      for (int v = 0; v < values; ++v)
        m[v] += totals[((n / s.count * groups + group) * s.count + n % s.count) * values + v];
    const float *conic = s.conics + 3 * n, o = s.opacities[n];
    grad_means2d[2 * n] += conic[0] * m[M_X] + conic[1] * m[M_Y];
    grad_means2d[2 * n + 1] += conic[1] * m[M_X] + conic[2] * m[M_Y];
    grad_conics[3 * n] -= 0.5f * m[M_XX];
    grad_conics[3 * n + 1] -= m[M_XY];
    grad_conics[3 * n + 2] -= 0.5f * m[M_YY];
    if (m[M_1] != 0) grad_opacities[n] += m[M_1] / o;
    for (int c = 0; c < C; ++c) grad_features[n * s.stride + c] = m[MOMENTS + c];
  }
}

// Calls pass<C>(offset of its first channel) for runs of at most CHANNELS channels.
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

}  // namespace

extern "C" {

int vgmae_lanes() { return LANES; }

void vgmae_forward(int images, int count, int height, int width, int channels, float max_alpha, int threads,
                   const float* means2d, const float* conics, const float* depths, const int* radii,
                   const float* opacities, const float* features, float* out, float* out_alpha) {
  for_each_pass(channels, [&](auto c, int done) {
    Scene s{images,  count,  height, width,     channels,        max_alpha,
            means2d, conics, depths, opacities, features + done, radii};
    forward<c()>(s, threads, out + done, done ? nullptr : out_alpha);
  });
}

// Gradients of the features are written, the others are added to: they are linear in grad_out, so passes just add up.
void vgmae_backward(int images, int count, int height, int width, int channels, float max_alpha, int threads,
                    const float* means2d, const float* conics, const float* depths, const int* radii,
                    const float* opacities, const float* features, const float* grad_out, const float* grad_alpha,
                    float* grad_means2d, float* grad_conics, float* grad_opacities, float* grad_features) {
  for_each_pass(channels, [&](auto c, int done) {
    Scene s{images,  count,  height, width,     channels,        max_alpha,
            means2d, conics, depths, opacities, features + done, radii};
    backward<c()>(s, threads, grad_out + done, done ? nullptr : grad_alpha, grad_means2d, grad_conics, grad_opacities,
                  grad_features + done);
  });
}
}
