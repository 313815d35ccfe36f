// Lists the Gaussians that touch each part of an image, front to back. Both passes, forward and backward, use the lists.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "vectors.h"

namespace {

constexpr int ROWS = 4;    // a block has ROWS x LANES pixels and fits into registers
constexpr int BLOCKS = 8;  // a band is BLOCKS rows of blocks
constexpr int BAND = ROWS * BLOCKS;

constexpr float LOG2_ALPHA_MIN = -7.99435343685886f;  // log2(1/255)
constexpr float SLACK = 1e-3f;  // px; rounding in culling may add work, but never remove a visible Gaussian

// N projected Gaussians in each of `images` images of height x width pixels. Arrays are row-major.
struct Scene {
  int images, count, height, width, channels;
  float max_alpha;
  std::vector<float> means2d, conics, depths, opacities, features;
  std::vector<char> visible;  // according to the projection

  Scene(int images, int count, int height, int width, int channels, float max_alpha)
      : images(images), count(count), height(height), width(width), channels(channels), max_alpha(max_alpha) {
    const size_t all = size_t(images) * count;
    means2d.resize(2 * all), conics.resize(3 * all), depths.resize(all), opacities.resize(all), visible.resize(all);
    features.resize(channels * all);
  }
  int columns() const { return (width + LANES - 1) / LANES; }
  int bands() const { return (height + BAND - 1) / BAND; }
};

struct Splat {  // a visible Gaussian: log2 alpha = top - (p dx + q dy)^2 - (r dy)^2
  float x, y, p, q, r, top;
  float reach;    // square root of the largest sum of squares that is still visible
  float y_reach;  // half its height, px
  float tip;      // its rightmost point is at y - tip, its leftmost at y + tip
  int index;
};

// Sorts indices by depth. Equal depths keep their order.
class DepthOrder {
 public:
  explicit DepthOrder(int most) { items_.reserve(most); }

  void add(float depth, int index) {
    uint32_t bits;
    depth += 0.0f;  // -0 is 0
    std::memcpy(&bits, &depth, sizeof bits);
    items_.push_back({bits ^ (bits >> 31 ? 0xFFFFFFFFu : 0x80000000u), index});  // the unsigned order equals the order of the floats
  }

  const std::vector<std::pair<uint32_t, int>>& sorted() {
    other_.resize(items_.size());
    for (int shift = 0; shift < 32; shift += 8) {
      uint32_t starts[257] = {};
      for (auto& item : items_) ++starts[(item.first >> shift & 255) + 1];
      if (std::find(starts + 1, starts + 257, items_.size()) != starts + 257) continue;  // these bits are equal in all items
      for (int i = 0; i < 256; ++i) starts[i + 1] += starts[i];
      for (auto& item : items_) other_[starts[item.first >> shift & 255]++] = item;
      items_.swap(other_);
    }
    return items_;
  }

 private:
  std::vector<std::pair<uint32_t, int>> items_, other_;
};

struct Image {
  std::vector<Splat> splats;            // visible Gaussians, nearest first; equal depths in the given order
  std::vector<std::vector<int>> bands;  // for each band, the Gaussians that touch it

  void fill(const Scene& s, int image) {
    DepthOrder order(s.count);
    for (int i = 0; i < s.count; ++i) {
      size_t n = size_t(image) * s.count + i;
      if (s.visible[n] && s.conics[3 * n] > 0 && s.opacities[n] >= 1.0f / 255 &&
          std::isfinite(s.means2d[2 * n] + s.means2d[2 * n + 1] + s.depths[n]))
        order.add(s.depths[n], i);
    }
    const auto& sorted = order.sorted();
    bands.resize(s.bands());
    for (auto& band : bands) band.reserve(sorted.size());
    splats.reserve(sorted.size());
    for (size_t start = 0; start < sorted.size(); start += LANES) {
      Splat some[LANES];
      const int n = int(std::min(size_t(LANES), sorted.size() - start));
      shape(s, image, &sorted[start], n, some);
      for (int i = 0; i < n; ++i) {
        const Splat& g = some[i];
        // Row k has its centres at k + 0.5.
        float from = std::max(g.y - g.y_reach - 0.5f, 0.0f), to = std::min(g.y + g.y_reach - 0.5f, s.height - 1.0f);
        if (!(from <= to)) continue;
        for (int k = int(from) / BAND; k <= int(to) / BAND; ++k) bands[k].push_back(int(splats.size()));
        splats.push_back(g);
      }
    }
  }

 private:
  // sigma as a sum of squares, by Cholesky. The coefficients include the opacity and the change to base 2.
  static void shape(const Scene& s, int image, const std::pair<uint32_t, int>* sorted, int n, Splat* splats) {
    double a[LANES], b[LANES], c[LANES];
    float p[LANES], q[LANES], r[LANES], reach[LANES], tip[LANES], y_reach[LANES];
    for (int i = 0; i < LANES; ++i) {
      const int index = sorted[std::min(i, n - 1)].second;
      const size_t at = size_t(image) * s.count + index;
      a[i] = s.conics[3 * at], b[i] = s.conics[3 * at + 1], c[i] = s.conics[3 * at + 2];
      Splat& g = splats[i];
      g.x = s.means2d[2 * at], g.y = s.means2d[2 * at + 1], g.index = index;
      g.top = std::log2(s.opacities[at]);
      reach[i] = std::max(g.top - LOG2_ALPHA_MIN, 0.0f);
    }
    const double half_log2e = 0.5 * 1.4426950408889634;
    for (int i = 0; i < LANES; ++i) {
      double rest = c[i] - b[i] * b[i] / a[i], least = 1e-7 * c[i];  // only rounding makes it negative
      rest = rest < least ? least : rest;
      p[i] = std::sqrt(half_log2e * a[i]), q[i] = half_log2e * b[i] / p[i], r[i] = std::sqrt(half_log2e * rest);
      reach[i] = std::sqrt(reach[i]);
      y_reach[i] = reach[i] / r[i] + SLACK, tip[i] = q[i] / r[i] * reach[i] / std::sqrt(q[i] * q[i] + r[i] * r[i]);
    }
    for (int i = 0; i < n; ++i) {
      Splat& g = splats[i];
      g.p = p[i], g.q = q[i], g.r = r[i], g.reach = reach[i], g.y_reach = y_reach[i], g.tip = tip[i];
    }
  }
};

// For each block of a band, row by row of blocks: the places in the band of the Gaussians that touch the block. Those of
// block k are at ends[k] to ends[k + 1].
struct Lists {
  std::vector<int> ends, items;
};

struct Entry {  // the values of a splat that are equal in all columns of a band
  float q_dy[BAND], top[BAND], dy[BAND];
  float x, p;
  int index;
};

// The Gaussians that touch a band, front to back.
struct Band {
  std::vector<Entry> entries;

  void fill(const Image& image, int band) {
    const std::vector<int>& here = image.bands[band];
    entries.resize(here.size());
    for (size_t k = 0; k < here.size(); ++k) {
      const Splat& g = image.splats[here[k]];
      Entry& e = entries[k];
      e.x = g.x, e.p = g.p, e.index = g.index;
      const float first = band * BAND + 0.5f - g.y;
      for (int r = 0; r < BAND; ++r) {
        e.dy[r] = first + r;
        e.q_dy[r] = g.q * e.dy[r];
        e.top[r] = g.top - g.r * g.r * e.dy[r] * e.dy[r];
      }
    }
  }

  // Finds the lists of the blocks.
  void share_out(const Scene& s, const Image& image, int band, Lists& lists) {
    const std::vector<int>& here = image.bands[band];
    const int count = int(here.size()), columns = s.columns();
    for (Row& row : rows_) row.size = 0, row.spans.resize(count + 1);
    for (int k = 0; k < count; k += LANES) find_spans(s, image, &here[k], band, k, std::min(LANES, count - k));
    int used = 0;
    lists.ends.reserve(size_t(BLOCKS) * columns + 1);
    lists.ends.assign(1, 0);
    for (const Row& row : rows_)
      for (int c = 0; c < columns; ++c) {
        items_.resize(std::max(items_.size(), size_t(used + row.size + 1)));
        for (int k = 0; k < row.size; ++k) {  // without branches, because the processor could not predict them
          items_[used] = row.spans[k].entry;
          used += unsigned(c - row.spans[k].from) <= row.spans[k].more;
        }
        lists.ends.push_back(used);
      }
    lists.items.assign(items_.begin(), items_.begin() + used);
  }

 private:
  struct Span {  // the columns of blocks that an entry touches: from .. from + more
    int entry, from;
    unsigned more;
  };
  struct Row {  // one row of blocks: the spans of the entries that touch it
    std::vector<Span> spans;
    int size;
  };
  Row rows_[BLOCKS];
  std::vector<int> items_;

  // Computes the spans of entries start .. start + n, whose splats are `here`.
  void find_spans(const Scene& s, const Image& image, const int* here, int band, int start, int n) {
    Pixels x, y, p, q, r, reach, y_reach, tip;
    for (int i = 0; i < LANES; ++i) {
      const Splat& g = image.splats[here[std::min(i, n - 1)]];
      x[i] = g.x, y[i] = g.y, p[i] = g.p, q[i] = g.q, r[i] = g.r;
      reach[i] = g.reach, y_reach[i] = g.y_reach, tip[i] = g.tip;
    }
    const Pixels zero{}, width = zero + float(s.width);
    for (int b = 0; b < BLOCKS; ++b) {  // the ellipse within the rows of a block
      Pixels low = band * BAND + b * ROWS + 0.5f - y, high = low + (ROWS - 1);
      Pixels left_dy = least(greatest(tip, low), high), right_dy = least(greatest(-tip, low), high);
      Pixels r_left = r * left_dy, r_right = r * right_dy, most = reach * reach;
      Pixels left = x + (-q * left_dy - root(greatest(most - r_left * r_left, zero))) / p - SLACK;
      Pixels right = x + (-q * right_dy + root(greatest(most - r_right * r_right, zero))) / p + SLACK;
      // Pixel k has its centre at k + 0.5.
      Pixels begin = least(ceiling(greatest(left - 0.5f, zero)), width), end = least(right - 0.5f, width - 1.0f);
      const Bits touches = (low <= y_reach) & (high >= -y_reach) & (begin <= end);
      const Bits from = __builtin_convertvector(begin, Bits) / LANES;
      const Bits more = __builtin_convertvector(greatest(end, zero), Bits) / LANES - from;
      Row& row = rows_[b];
      for (int i = 0; i < n; ++i) {
        row.spans[row.size] = {start + i, from[i], unsigned(more[i])};
        row.size += touches[i] != 0;
      }
    }
  }
};

}  // namespace
