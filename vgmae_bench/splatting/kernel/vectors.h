// Vectors of LANES floats, based on the vector types of GCC and Clang.
#pragma once

#include <cmath>
#include <cstring>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Pixels __attribute__((vector_size(4 * LANES)));
typedef int Bits __attribute__((vector_size(4 * LANES)));

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

// Sums over lanes, always by halves: ((0 + 8) + (4 + 12)) + ((2 + 10) + (6 + 14)) and so on.
struct Folded {
  float quarter[4];
  explicit Folded(const Pixels& v) {
    typedef float Quad __attribute__((vector_size(16)));
    Quad part[LANES / 4];
    std::memcpy(part, &v, sizeof part);
    for (int half = LANES / 8; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) part[i] += part[half + i];
    std::memcpy(quarter, part, sizeof quarter);
  }
  float sum() const { return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]); }
};

// Reads n <= LANES numbers that are `stride` floats apart. The other lanes become 0.
inline Pixels load(const float* from, int stride, int n) {
  float part[LANES] = {};
  for (int i = 0; i < n; ++i) part[i] = from[i * stride];
  Pixels v;
  std::memcpy(&v, part, sizeof v);
  return v;
}

// Adds the first n lanes to numbers that are `stride` floats apart.
inline void add(const Pixels& v, float* to, int stride, int n) {
  float part[LANES];
  std::memcpy(part, &v, sizeof part);
  for (int i = 0; i < n; ++i) to[i * stride] += part[i];
}

inline void store(const Pixels& v, float* to, int stride, int n) {
  float part[LANES];
  std::memcpy(part, &v, sizeof part);
  for (int i = 0; i < n; ++i) to[i * stride] = part[i];
}

template <class F>
inline Pixels each(Pixels v, const F& f) {
  float part[LANES];
  std::memcpy(part, &v, sizeof part);
  for (int i = 0; i < LANES; ++i) part[i] = f(part[i]);
  std::memcpy(&v, part, sizeof v);
  return v;
}

inline Pixels root(Pixels v) {
  return each(v, [](float x) { return std::sqrt(x); });
}
inline Pixels ceiling(Pixels v) {
  return each(v, [](float x) { return std::ceil(x); });
}
inline Pixels least(Pixels a, Pixels b) { return a < b ? a : b; }
inline Pixels greatest(Pixels a, Pixels b) { return a > b ? a : b; }

}  // namespace
