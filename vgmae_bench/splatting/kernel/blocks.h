// Composites the blocks of a band, forward and backward.
#pragma once

#include "lists.h"

namespace {

constexpr int CHANNELS = 5;  // most channels per pass; more channels need several passes
constexpr float T_STOP = 1e-4f;

// Whether any pixel of a block still has transmittance.
inline bool any_light(const Pixels* light) {
  Bits lit = light[0] > T_STOP;
  for (int r = 1; r < ROWS; ++r) lit |= light[r] > T_STOP;
  int part[LANES], any = 0;
  std::memcpy(part, &lit, sizeof part);
  for (int i = 0; i < LANES; ++i) any |= part[i];
  return any != 0;
}

struct List {  // the Gaussians that touch a block
  const int* items;
  int size;
  List(const Lists& lists, int block)
      : items(lists.items.data() + lists.ends[block]), size(lists.ends[block + 1] - lists.ends[block]) {}
  int operator[](int k) const { return items[k]; }
};

inline Pixels columns_from(int x0) {
  Pixels x;
  for (int i = 0; i < LANES; ++i) x[i] = x0 + i + 0.5f;
  return x;
}

// alpha in a row of a block; 0 where the Gaussian is not visible. p_dx = p (x - mean).
inline Pixels row_alpha(const Entry& e, int r, Pixels p_dx, Pixels limit) {
  Pixels u = p_dx + e.q_dy[r];
  Pixels x = e.top[r] - u * u;
  Pixels alpha = exp2(x);
  alpha = alpha < limit ? alpha : limit;
  return x >= LOG2_ALPHA_MIN ? alpha : Pixels{};
}

// Calls move(i, k) for the n pixels and C channels of a row of a block. i is the index in an array with `stride` floats per
// pixel, k the index in an array with LANES floats per channel. Compilers can shuffle because all sizes are constants.
template <int C, class Move>
inline void for_each_value(int n, int stride, const Move& move) {
  if (stride == C && n == LANES)
    for (int i = 0; i < LANES; ++i)
      for (int c = 0; c < C; ++c) move(i * C + c, c * LANES + i);
  else if (stride == C)
    for (int i = 0; i < n; ++i)
      for (int c = 0; c < C; ++c) move(i * C + c, c * LANES + i);
  else
    for (int i = 0; i < n; ++i)
      for (int c = 0; c < C; ++c) move(i * stride + c, c * LANES + i);
}

template <int C>
void forward_block(const Scene& s, const Band& band, int block, List list, const float* features, int x0,
                   Pixels (&color)[ROWS][C], Pixels (&opacity)[ROWS]) {
  Pixels light[ROWS];
  for (int r = 0; r < ROWS; ++r) {
    light[r] = Pixels{} + 1.0f;
    opacity[r] = Pixels{};
    for (int c = 0; c < C; ++c) color[r][c] = Pixels{};
  }
  const Pixels x = columns_from(x0), limit = Pixels{} + s.max_alpha;
  for (int k = 0; k < list.size; ++k) {
    if (k % 8 == 7 && !any_light(light)) break;
    const Entry& e = band.entries[list[k]];
    const float* f = features + size_t(e.index) * s.channels;
    Pixels p_dx = (x - e.x) * e.p;
    for (int r = 0; r < ROWS; ++r) {
      Pixels alpha = row_alpha(e, block * ROWS + r, p_dx, limit), w = light[r] * alpha;
      light[r] -= w;
      w = light[r] > T_STOP ? w : Pixels{};  // transmittance never rises, so a finished pixel stays finished
      opacity[r] += w;
      for (int c = 0; c < C; ++c) color[r][c] += w * f[c];
    }
  }
}

// Renders channels pass .. pass + C of a band.
template <int C>
void forward_band(const Scene& s, const Band& band, const Lists& lists, int pass, int image, int index, float* out,
                  float* out_alpha) {
  const float* features = s.features.data() + size_t(image) * s.count * s.channels + pass;
  for (int k = 0; k < s.columns() * BLOCKS; ++k) {  // column by column
    int block = k % BLOCKS, column = k / BLOCKS, x0 = column * LANES, y0 = index * BAND + block * ROWS;
    int n = std::min(LANES, s.width - x0);
    Pixels color[ROWS][C], opacity[ROWS];
    forward_block<C>(s, band, block, List(lists, block * s.columns() + column), features, x0, color, opacity);
    for (int r = 0; r < ROWS && y0 + r < s.height; ++r) {
      size_t pixel = (size_t(image) * s.height + y0 + r) * s.width + x0;
      float planes[C * LANES], *to = out + pixel * s.channels + pass;
      std::memcpy(planes, color[r], sizeof planes);
      for_each_value<C>(n, s.channels, [&](int i, int k) { to[i] = planes[k]; });
      if (out_alpha) std::memcpy(out_alpha + pixel, &opacity[r], n * sizeof(float));
    }
  }
}

// Per Gaussian: sums over pixels of h = -dL/dsigma times 1, dx, dy, dx², dx dy and dy², and of dL/df.
enum Moment { M_1, M_X, M_Y, M_XX, M_XY, M_YY, MOMENTS };

struct Scratch {
  std::vector<Pixels> weights;  // alpha and w of every entry and row of the block, front to back
  std::vector<Pixels> sums;     // moments and dL/df of every entry of the band, lane by lane
};

template <int C>
void backward_block(const Scene& s, const Band& band, int block, List list, const float* features, int x0,
                    const Pixels (&grad)[ROWS][C], Pixels (&behind)[ROWS], Scratch& scratch) {
  const Pixels x = columns_from(x0), limit = Pixels{} + s.max_alpha;
  scratch.weights.resize(std::max(scratch.weights.size(), size_t(list.size) * 2 * ROWS));
  Pixels light[ROWS];
  for (int r = 0; r < ROWS; ++r) light[r] = Pixels{} + 1.0f;
  int used = 0;
  for (; used < list.size; ++used) {
    if (used % 8 == 7 && !any_light(light)) break;
    const Entry& e = band.entries[list[used]];
    Pixels* kept = &scratch.weights[size_t(used) * 2 * ROWS];
    Pixels p_dx = (x - e.x) * e.p;
    for (int r = 0; r < ROWS; ++r) {
      Pixels alpha = row_alpha(e, block * ROWS + r, p_dx, limit), w = light[r] * alpha;
      light[r] -= w;
      kept[2 * r] = light[r] > T_STOP ? alpha : Pixels{};
      kept[2 * r + 1] = light[r] > T_STOP ? w : Pixels{};
    }
  }
  // Back to front. s = g . f, and R is the composite of s behind: dL/dalpha = T (s - R); R becomes (1 - alpha) R + alpha s.
  for (int k = used; k-- > 0;) {
    const Entry& e = band.entries[list[k]];
    const float* f = features + size_t(e.index) * s.channels;
    const Pixels* kept = &scratch.weights[size_t(k) * 2 * ROWS];
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
void backward_band(const Scene& s, const Band& band, const Lists& lists, int pass, int image, int index,
                   const float* grad_out, const float* grad_alpha, Scratch& scratch, float* totals) {
  const float* features = s.features.data() + size_t(image) * s.count * s.channels + pass;
  scratch.sums.assign(band.entries.size() * (MOMENTS + C), Pixels{});
  for (int k = 0; k < s.columns() * BLOCKS; ++k) {  // column by column
    int block = k % BLOCKS, column = k / BLOCKS, x0 = column * LANES, y0 = index * BAND + block * ROWS;
    int n = std::min(LANES, s.width - x0);
    Pixels grad[ROWS][C]{}, behind[ROWS]{};
    for (int r = 0; r < ROWS && y0 + r < s.height; ++r) {
      size_t pixel = (size_t(image) * s.height + y0 + r) * s.width + x0;
      float planes[C * LANES] = {};
      const float* from = grad_out + pixel * s.channels + pass;
      for_each_value<C>(n, s.channels, [&](int i, int k) { planes[k] = from[i]; });
      std::memcpy(grad[r], planes, sizeof planes);
      if (grad_alpha) std::memcpy(&behind[r], grad_alpha + pixel, n * sizeof(float));
      behind[r] = -behind[r];  // A = 1 - T, so its gradient acts like a background of value -1
    }
    backward_block<C>(s, band, block, List(lists, block * s.columns() + column), features, x0, grad, behind, scratch);
  }
  for (size_t k = 0; k < band.entries.size(); ++k) {
    float* to = totals + size_t(band.entries[k].index) * (MOMENTS + C);
    for (int m = 0; m < MOMENTS + C; ++m) to[m] += Folded(scratch.sums[k * (MOMENTS + C) + m]).sum();
  }
}

}  // namespace
