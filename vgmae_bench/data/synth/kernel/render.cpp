// Renders synthetic scenes on the CPU. It follows render.py, rays.py and texture.py step by step.
//
// One C interface without dependencies. Any C++17 compiler compiles it on first use; ctypes calls it. A row of pixels is worked
// on at a time, in loops that compilers turn into vector code. OpenMP, if available, distributes images over threads.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

constexpr int AXES = 3, FACES = 6, AFFINE = 3, VALUES = 22, TILES = 16, TILE_SIZE = 256, LEVELS = 6, RAYS = 4;
constexpr float NEVER = 1e6f;
constexpr float OUTLINE_X[RAYS] = {1 / 8.f, 3 / 8.f, 5 / 8.f, 7 / 8.f}, OUTLINE_Y[RAYS] = {5 / 8.f, 1 / 8.f, 7 / 8.f, 3 / 8.f};

typedef float Texel __attribute__((vector_size(16)));  // three channels and a zero

// The sizes and arrays of a call, in the layout of native.py. All images have the same bank.
struct Scene {
  int images, solids, height, width, bank_height, bank_width;
  const float* entry;       // [images, solids, AXES, AFFINE]
  const int* entry_face;    // [images, solids, AXES]
  const float* exit;        // [images, solids, FACES, AFFINE]
  const float* paint;       // [images, VALUES, solids * FACES]
  const float* bank;        // of each level, largest first: [TILES, size, size, 4]
};

// Where rays read on a level of the bank: the upper left of four texels, the one under it, and the shares of the others.
struct Places {
  std::vector<int> at, under;
  std::vector<float> right, below;
};

// The next multiple of LANES: loops over whole vectors are faster. The rays beyond the last one have no meaning.
constexpr int LANES = 16;
constexpr int whole(int n) { return (n + LANES - 1) / LANES * LANES; }

// Rays (u, v), the face that each hits, and its colour.
struct Rays {
  std::vector<float> u, v, best, enter, leave, red, green, blue, x, y, level;
  std::vector<int> face, mine;
  Places fine, coarse;
  explicit Rays(int count) {
    const int most = whole(count);
    for (auto* values : {&u, &v, &best, &enter, &leave, &red, &green, &blue, &x, &y, &level}) values->resize(most);
    for (auto* values : {&fine.right, &fine.below, &coarse.right, &coarse.below}) values->resize(most);
    for (auto* values : {&face, &mine, &fine.at, &fine.under, &coarse.at, &coarse.under}) values->resize(most);
  }
};

class Painter {
 public:
  Painter(const Scene& scene, int image)
      : s(scene),
        entry(scene.entry + size_t(image) * scene.solids * AXES * AFFINE),
        exit(scene.exit + size_t(image) * scene.solids * FACES * AFFINE),
        paint(scene.paint + size_t(image) * scene.solids * FACES * VALUES),
        entry_face(scene.entry_face + size_t(image) * scene.solids * AXES) {
    for (int level = 0, start = 0; level < LEVELS; ++level) {
      const int size = (TILE_SIZE >> level) + 2;
      starts[level] = start, start += TILES * size * size;
    }
  }

  // Finds the face that each of the first n rays hits first.
  void find_faces(Rays& r, int n) const {
    n = whole(n);
    const float *__restrict u = r.u.data(), *__restrict v = r.v.data();
    float *__restrict best = r.best.data(), *__restrict enter = r.enter.data(), *__restrict leave = r.leave.data();
    int *__restrict face = r.face.data(), *__restrict mine = r.mine.data();
    for (int k = 0; k < FACES; ++k) {
      const float a = exit[3 * k], b = exit[3 * k + 1], c = exit[3 * k + 2];
      for (int i = 0; i < n; ++i) {
        const float at = (a * u[i] + c) + b * v[i];
        const bool later = k == 0 || at > best[i];
        best[i] = later ? at : best[i], face[i] = later ? k : face[i];
      }
    }
    for (int solid = 1; solid < s.solids; ++solid) {
      const float *in = entry + solid * AXES * AFFINE, *out = exit + solid * FACES * AFFINE;
      for (int k = 0; k < AXES; ++k) {
        const float a = in[3 * k], b = in[3 * k + 1], c = in[3 * k + 2];
        const int number = solid * FACES + entry_face[solid * AXES + k];
        for (int i = 0; i < n; ++i) {
          const float at = (a * u[i] + c) + b * v[i];
          const bool first = k == 0 || at < enter[i];
          enter[i] = first ? at : enter[i], mine[i] = first ? number : mine[i];
        }
      }
      for (int k = 0; k < FACES; ++k) {
        const float a = out[3 * k], b = out[3 * k + 1], c = out[3 * k + 2];
        for (int i = 0; i < n; ++i) {
          const float at = (a * u[i] + c) + b * v[i];
          leave[i] = k == 0 || at > leave[i] ? at : leave[i];
        }
      }
      for (int i = 0; i < n; ++i) {
        const bool hit = enter[i] >= leave[i] && enter[i] > best[i] && enter[i] < NEVER;
        best[i] = hit ? enter[i] : best[i], face[i] = hit ? mine[i] : face[i];
      }
    }
  }

  // Computes the colours of the first n rays, which are `spacing` apart in v.
  void find_colours(Rays& r, int n, float spacing) const {
    const int faces = s.solids * FACES;
    const int* __restrict face = r.face.data();
    float *__restrict to_x = r.x.data(), *__restrict to_y = r.y.data(), *__restrict footprint = r.level.data();
    for (int i = 0; i < n; ++i) {
      const float* p = paint + face[i];
      const float u = r.u[i], v = r.v[i];
      const float ax = p[0], bx = p[faces], cx = p[2 * faces], ay = p[3 * faces], by = p[4 * faces], cy = p[5 * faces];
      const float az = p[6 * faces], bz = p[7 * faces], cz = p[8 * faces];
      const float depth = 1 / (az * u + bz * v + cz);
      const float x = (ax * u + bx * v + cx) * depth, y = (ay * u + by * v + cy) * depth;
      const float ux = ax - x * az, uy = ay - y * az, vx = bx - x * bz, vy = by - y * bz;
      const float longer = std::max(std::sqrt(ux * ux + uy * uy), std::sqrt(vx * vx + vy * vy));
      footprint[i] = longer * depth * spacing;
      to_x[i] = x - std::floor(x / TILE_SIZE) * TILE_SIZE, to_y[i] = y - std::floor(y / TILE_SIZE) * TILE_SIZE;
    }
    for (int i = 0; i < n; ++i) {  // behind a face, in a pixel on an outline, the logarithm is not a number
      const float level = std::log2(r.level[i]);
      r.level[i] = level > 0 ? std::min(level, LEVELS - 1.0f) : 0.0f;
    }
    place(r, r.fine, 0, n);
    place(r, r.coarse, 1, n);
    for (int i = 0; i < n; ++i) {
      const float *p = paint + r.face[i], share = r.level[i] - std::floor(r.level[i]);
      const Texel first = look_up(r.fine, i), second = look_up(r.coarse, i), texture = first + share * (second - first);
      float* colour[] = {&r.red[i], &r.green[i], &r.blue[i]};
      for (int c = 0; c < 3; ++c) {
        const float* mix = p + (10 + 4 * c) * faces;
        const float value = mix[0] * texture[0] + mix[faces] * texture[1] + mix[2 * faces] * texture[2] + mix[3 * faces];
        *colour[c] = std::min(std::max(value, 0.0f), 1.0f);
      }
    }
  }

 private:
  const Scene& s;
  const float *entry, *exit, *paint;
  const int* entry_face;
  int starts[LEVELS];  // of the levels in the bank

  // Finds the four texels around each ray's texel on its level, or on the next coarser one.
  void place(const Rays& r, Places& places, int coarser, int n) const {
    int *__restrict at = places.at.data(), *__restrict under = places.under.data();
    float *__restrict right = places.right.data(), *__restrict below = places.below.data();
    const int *__restrict face = r.face.data(), faces = s.solids * FACES;
    const float *__restrict levels = r.level.data(), *__restrict x = r.x.data(), *__restrict y = r.y.data();
    const float across = 2.0f / s.bank_width, down = 2.0f / s.bank_height;
    for (int i = 0; i < n; ++i) {
      const int level = std::min(int(levels[i]) + coarser, LEVELS - 1), tile = int(paint[face[i] + 9 * faces]);
      const float scale = float(TILE_SIZE >> level) / TILE_SIZE;
      const int size = (TILE_SIZE >> level) + 2, first = tile * size, top = 2 * TILE_SIZE - 2 * size + 4 + 2 * level;
      // The rounding is that of torch's grid_sample, which reads at shares of the bank's extent.
      const float column = ((first + 1 + x[i] * scale) * across - 1 + 1) * (s.bank_width / 2.0f) - 0.5f - first;
      const float row = ((top + 1 + y[i] * scale) * down - 1 + 1) * (s.bank_height / 2.0f) - 0.5f - top;
      const int left = std::min(std::max(int(column), 0), size - 2), above = std::min(std::max(int(row), 0), size - 2);
      at[i] = starts[level] + (first + above) * size + left, under[i] = at[i] + size;
      right[i] = column - left, below[i] = row - above;
    }
  }

  Texel look_up(const Places& places, int i) const {
    const Texel *at = reinterpret_cast<const Texel*>(s.bank) + places.at[i];
    const Texel *under = reinterpret_cast<const Texel*>(s.bank) + places.under[i];
    const float right = places.right[i], below = places.below[i];
    return (1 - below) * ((1 - right) * at[0] + right * at[1]) + below * ((1 - right) * under[0] + right * under[1]);
  }
};

void render(const Scene& s, int image, uint8_t* to) {
  const Painter painter(s, image);
  const int corners = s.width + 1;
  Rays rays(corners), fine(RAYS * s.width);
  std::vector<int> above(whole(corners)), outline;
  const auto byte = [](float value) { return uint8_t(value * 255 + 0.5f); };
  for (int y = 0; y <= s.height; ++y) {
    for (int x = 0; x < corners; ++x) rays.u[x] = float(x) / s.width, rays.v[x] = float(y) / s.height;
    painter.find_faces(rays, corners);
    above.swap(rays.face);  // the corners of row y; rays.face are those of the row before
    if (y == 0) continue;
    outline.clear();
    for (int x = 0; x < s.width; ++x) {
      const int face = rays.face[x];
      if (face != rays.face[x + 1] || face != above[x] || face != above[x + 1]) outline.push_back(x);
      rays.u[x] = (x + 0.5f) / s.width, rays.v[x] = (y - 0.5f) / s.height;
    }
    painter.find_colours(rays, s.width, 1.0f / s.height);
    const int edge = int(outline.size());
    for (int k = 0; k < edge; ++k)
      for (int i = 0; i < RAYS; ++i) {
        fine.u[i * edge + k] = (outline[k] + OUTLINE_X[i]) / s.width;
        fine.v[i * edge + k] = (y - 1 + OUTLINE_Y[i]) / s.height;
      }
    painter.find_faces(fine, RAYS * edge);
    painter.find_colours(fine, RAYS * edge, 1.0f / (2 * s.height));
    for (int k = 0; k < edge; ++k) {
      const auto mean = [&](const std::vector<float>& of) {
        return (of[k] + of[edge + k] + of[2 * edge + k] + of[3 * edge + k]) / RAYS;
      };
      rays.red[outline[k]] = mean(fine.red), rays.green[outline[k]] = mean(fine.green);
      rays.blue[outline[k]] = mean(fine.blue);
    }
    for (int x = 0; x < s.width; ++x, to += 3)
      to[0] = byte(rays.red[x]), to[1] = byte(rays.green[x]), to[2] = byte(rays.blue[x]);
  }
}

}  // namespace

// Writes uint8 [images, height, width, 3].
extern "C" void vgmae_synth_render(const Scene* scene, int threads, uint8_t* frames) {
  const size_t bytes = size_t(3) * scene->height * scene->width;
  (void)threads;  // without OpenMP there is one thread
#pragma omp parallel for schedule(dynamic, 1) num_threads(std::max(1, std::min(threads, scene->images)))
  for (int image = 0; image < scene->images; ++image) render(*scene, image, frames + image * bytes);
}
