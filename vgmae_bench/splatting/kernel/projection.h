// Projects LANES Gaussians at a time, forward and backward. It follows projection.py step by step.
#pragma once

#include <algorithm>

#include "vectors.h"

namespace {

constexpr float NEAR = 0.01f, FAR = 1e10f, EPS2D = 0.3f, EXTENT = 3.33f, MARGIN = 0.15f;
constexpr float SHORTEST = 1e-12f;  // shorter quaternions are divided by this instead of their length

struct Camera {
  float rotation[3][3], translation[3], focal[2], centre[2], low[2], high[2], size[2];

  // viewmat is [4, 4], K is [3, 3], both row-major.
  Camera(const float* viewmat, const float* K, int height, int width) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) rotation[i][j] = viewmat[4 * i + j];
      translation[i] = viewmat[4 * i + 3];
    }
    size[0] = width, size[1] = height;
    for (int i = 0; i < 2; ++i) {
      focal[i] = K[4 * i], centre[i] = K[3 * i + 2];
      float margin = MARGIN * size[i] / focal[i];
      low[i] = -centre[i] / focal[i] - margin, high[i] = (size[i] - centre[i]) / focal[i] + margin;
    }
  }
};

// Gaussians and all intermediate results of their projection. Names are those of projection.py.
struct Projected {
  Pixels quat[4], scale[3];          // quat: of length 1
  Pixels norm, turn[3][3];           // length of the given quaternion, and its rotation matrix
  Pixels depth, z, ray[2], clamped[2];
  Pixels jacobian[2][3], spread[2][3], root[2][3];  // root = focal / z * spread, spread = jacobian @ turn @ scale
  Pixels cross[3], determinant;
  Pixels means2d[2], conics[3];
  Bits in_range, visible;

  // Reads n <= LANES Gaussians; the other lanes hold meaningless numbers.
  Projected(const Camera& camera, const float* means, const float* quats, const float* scales, int n) {
    const Pixels one = Pixels{} + 1.0f;
    Pixels mean[3], point[3];
    for (int i = 0; i < 3; ++i) mean[i] = load(means + i, 3, n), scale[i] = load(scales + i, 3, n);
    for (int i = 0; i < 3; ++i) {
      const float* r = camera.rotation[i];
      point[i] = mean[0] * r[0] + mean[1] * r[1] + mean[2] * r[2] + camera.translation[i];
    }
    depth = point[2];
    in_range = (depth > NEAR) & (depth < FAR);
    z = in_range ? depth : one;
    rotate(quats, n);
    for (int i = 0; i < 2; ++i) {
      ray[i] = point[i] / z;
      means2d[i] = ray[i] * camera.focal[i] + camera.centre[i];
      const Pixels low = Pixels{} + camera.low[i], high = Pixels{} + camera.high[i];
      clamped[i] = ray[i] < low ? low : (ray[i] > high ? high : ray[i]);
      for (int j = 0; j < 3; ++j) jacobian[i][j] = camera.rotation[i][j] - clamped[i] * camera.rotation[2][j];
      for (int j = 0; j < 3; ++j) {
        Pixels turned = jacobian[i][0] * turn[0][j] + jacobian[i][1] * turn[1][j] + jacobian[i][2] * turn[2][j];
        spread[i][j] = turned * scale[j];
        root[i][j] = camera.focal[i] / z * spread[i][j];
      }
    }
    const Pixels *x = root[0], *y = root[1];
    Pixels xx = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], yy = y[0] * y[0] + y[1] * y[1] + y[2] * y[2];
    Pixels xy = x[0] * y[0] + x[1] * y[1] + x[2] * y[2];
    for (int i = 0; i < 3; ++i) cross[i] = x[(i + 1) % 3] * y[(i + 2) % 3] - x[(i + 2) % 3] * y[(i + 1) % 3];
    Pixels area = cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2];
    determinant = area + EPS2D * (xx + yy) + EPS2D * EPS2D;
    xx += EPS2D, yy += EPS2D;
    conics[0] = yy / determinant, conics[1] = -xy / determinant, conics[2] = xx / determinant;
    visible = in_range & seen(means2d[0], xx, camera.size[0]) & seen(means2d[1], yy, camera.size[1]);
  }

  // From dL/d means2d and dL/d conics to the gradients of the inputs.
  void backward(const Camera& camera, const Pixels (&d_means2d)[2], const Pixels (&d_conics)[3], Pixels (&d_mean)[3],
                Pixels (&d_quat)[4], Pixels (&d_scale)[3]) const {
    const Pixels zero{};
    Pixels d_determinant = zero;
    for (int i = 0; i < 3; ++i) d_determinant -= d_conics[i] * conics[i];
    d_determinant /= determinant;
    Pixels d_xx = d_conics[2] / determinant + EPS2D * d_determinant;
    Pixels d_yy = d_conics[0] / determinant + EPS2D * d_determinant, d_xy = -d_conics[1] / determinant;
    Pixels d_point[3] = {zero, zero, zero}, d_turn[3][3] = {};
    for (int j = 0; j < 3; ++j) d_scale[j] = zero;
    for (int i = 0; i < 2; ++i) {
      const Pixels *own = root[i], *other = root[1 - i], d_own = i ? d_yy : d_xx;
      const float sign = i ? -1.0f : 1.0f;  // d|x × y|² is 2 (y × c) dx and 2 (c × x) dy, with c = x × y
      Pixels d_spread[3], d_stretch = zero, focal_z = camera.focal[i] / z;
      for (int j = 0; j < 3; ++j) {
        Pixels turned = other[(j + 1) % 3] * cross[(j + 2) % 3] - other[(j + 2) % 3] * cross[(j + 1) % 3];
        Pixels d_root = 2.0f * d_own * own[j] + d_xy * other[j] + 2.0f * sign * d_determinant * turned;
        d_stretch += d_root * spread[i][j];
        d_spread[j] = d_root * focal_z;
      }
      Pixels d_clamped = zero;
      for (int k = 0; k < 3; ++k) {
        Pixels d_jacobian = zero;
        for (int j = 0; j < 3; ++j) {
          Pixels d_product = d_spread[j] * jacobian[i][k];  // of turn @ scale
          d_jacobian += d_spread[j] * turn[k][j] * scale[j];
          d_turn[k][j] += d_product * scale[j];
          d_scale[j] += d_product * turn[k][j];
        }
        d_clamped -= d_jacobian * camera.rotation[2][k];
      }
      Bits unclamped = (ray[i] >= camera.low[i]) & (ray[i] <= camera.high[i]);
      Pixels d_ray = d_means2d[i] * camera.focal[i] + (unclamped ? d_clamped : zero);
      d_point[i] = d_ray / z;
      d_point[2] -= (d_ray * ray[i] + d_stretch * focal_z) / z;
    }
    d_point[2] = in_range ? d_point[2] : zero;
    for (int j = 0; j < 3; ++j)
      d_mean[j] = d_point[0] * camera.rotation[0][j] + d_point[1] * camera.rotation[1][j] +
                  d_point[2] * camera.rotation[2][j];
    unrotate(d_turn, d_quat);
  }

 private:
  static Bits seen(Pixels at, Pixels variance, float size) {
    Pixels radius = ceiling(EXTENT * ::root(variance));
    return (at + radius > 0.0f) & (at - radius < size);
  }

  void rotate(const float* quats, int n) {
    Pixels sum{};
    for (int i = 0; i < 4; ++i) quat[i] = load(quats + i, 4, n), sum += quat[i] * quat[i];
    norm = ::root(sum);
    const Pixels divisor = greatest(norm, Pixels{} + SHORTEST);
    for (int i = 0; i < 4; ++i) quat[i] = quat[i] / divisor;
    const Pixels w = quat[0], x = quat[1], y = quat[2], z = quat[3];
    turn[0][0] = 1.0f - 2.0f * (y * y + z * z);
    turn[1][1] = 1.0f - 2.0f * (x * x + z * z);
    turn[2][2] = 1.0f - 2.0f * (x * x + y * y);
    turn[0][1] = 2.0f * (x * y - w * z), turn[1][0] = 2.0f * (x * y + w * z);
    turn[0][2] = 2.0f * (x * z + w * y), turn[2][0] = 2.0f * (x * z - w * y);
    turn[1][2] = 2.0f * (y * z - w * x), turn[2][1] = 2.0f * (y * z + w * x);
  }

  void unrotate(const Pixels (&d)[3][3], Pixels (&d_quat)[4]) const {
    const Pixels w = quat[0], x = quat[1], y = quat[2], z = quat[3];
    Pixels g[4];
    g[0] = 2.0f * (x * (d[2][1] - d[1][2]) + y * (d[0][2] - d[2][0]) + z * (d[1][0] - d[0][1]));
    g[1] = 2.0f * (y * (d[0][1] + d[1][0]) + z * (d[0][2] + d[2][0]) + w * (d[2][1] - d[1][2]) -
                   2.0f * x * (d[1][1] + d[2][2]));
    g[2] = 2.0f * (x * (d[0][1] + d[1][0]) + z * (d[1][2] + d[2][1]) + w * (d[0][2] - d[2][0]) -
                   2.0f * y * (d[0][0] + d[2][2]));
    g[3] = 2.0f * (x * (d[0][2] + d[2][0]) + y * (d[1][2] + d[2][1]) + w * (d[1][0] - d[0][1]) -
                   2.0f * z * (d[0][0] + d[1][1]));
    Pixels along{}, divisor = greatest(norm, Pixels{} + SHORTEST);
    for (int i = 0; i < 4; ++i) along += quat[i] * g[i];
    along = norm < SHORTEST ? Pixels{} : along;  // there the divisor is a constant
    for (int i = 0; i < 4; ++i) d_quat[i] = (g[i] - quat[i] * along) / divisor;
  }
};

}  // namespace
