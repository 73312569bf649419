// The arithmetic of one sample, for scalars (CUDA, box coordinates) and for vectors of pixels (CPU) alike.
#pragma once

#include "common/portable.h"

MAPT_BEGIN

// Converts float to int towards zero, and int to float. Vectors specialise it.
template <class To, class From>
struct Convert {
  static MAPT_INLINE To run(From value) { return static_cast<To>(value); }
};

// A bilinear sample of a map: its upper left cell, and its distance from there.
template <class V, class I>
struct Sample {
  I y, x;    // in [-1, height - 1] and [-1, width - 1]; cells outside the map count as zero
  V ly, lx;  // in [0, 1)
  I inside;  // false: the sample is zero; y, x, ly and lx are then arbitrary values within their ranges
};

// floor(v) for v > -2^31 and below 2^31.
template <class T, class V, class I>
MAPT_INLINE I floor_to_int(V v) {
  const I truncated = Convert<I, V>::run(v);
  const V back = Convert<V, I>::run(truncated);
  return v < back ? truncated - 1 : truncated;
}

// A sample of a deformable convolution is zero outside (-1, size). NaN and infinities fail the comparison too, so no
// offset makes the conversion to an integer overflow.
template <class T, class V, class I>
MAPT_INLINE Sample<V, I> sample_at(V y, V x, int64_t height, int64_t width) {
  const T minus_one = -1, rows = static_cast<T>(height), columns = static_cast<T>(width);
  const auto inside = (y > minus_one) & (y < rows) & (x > minus_one) & (x < columns);
  const V zero = V();
  const V safe_y = inside ? y : zero, safe_x = inside ? x : zero;
  Sample<V, I> s;
  s.y = floor_to_int<T, V, I>(safe_y);
  s.x = floor_to_int<T, V, I>(safe_x);
  s.ly = safe_y - Convert<V, I>::run(s.y);
  s.lx = safe_x - Convert<V, I>::run(s.x);
  s.inside = inside;
  return s;
}

// The four cells of a sample, zero outside the map.
template <class V>
struct Corners {
  V c00, c01, c10, c11;
};

// The cells of a sample of one (height, width) map of any type; the sample lies inside.
template <class T, class S, class I>
MAPT_INLINE Corners<T> corners_at(const S* map, const Sample<T, I>& s, int64_t height, int64_t width) {
  const S* upper = map + static_cast<int64_t>(s.y) * width + s.x;
  const bool top = s.y >= 0, bottom = s.y + 1 < height, left = s.x >= 0, right = s.x + 1 < width;
  Corners<T> c;
  c.c00 = top && left ? static_cast<T>(upper[0]) : T(0);
  c.c01 = top && right ? static_cast<T>(upper[1]) : T(0);
  c.c10 = bottom && left ? static_cast<T>(upper[width]) : T(0);
  c.c11 = bottom && right ? static_cast<T>(upper[width + 1]) : T(0);
  return c;
}

// The value of a sample.
template <class T, class S, class I>
MAPT_INLINE T bilinear_at(const S* map, const Sample<T, I>& s, int64_t height, int64_t width) {
  if (!s.inside) return T(0);
  const Corners<T> c = corners_at(map, s, height, width);
  return (T(1) - s.ly) * ((T(1) - s.lx) * c.c00 + s.lx * c.c01) + s.ly * ((T(1) - s.lx) * c.c10 + s.lx * c.c11);
}

// The derivatives of a sample's value with respect to its position.
template <class V, class T>
MAPT_INLINE void bilinear_slopes(const Corners<V>& c, T ly, T lx, V& by_y, V& by_x) {
  const V upper = c.c01 - c.c00, lower = c.c11 - c.c10, left = c.c10 - c.c00;
  by_y = left + lx * (lower - upper);
  by_x = upper + ly * (lower - upper);
}

// Returns the pyramid level of a box by comparing its area with constants (Lin et al., 2017, Eq. 1). NaN gives level 0.
template <class T>
MAPT_INLINE int level_of(T x1, T y1, T x2, T y2) {
  const T area = (x2 - x1) * (y2 - y1);
  return (area >= T(112 * 112)) + (area >= T(224 * 224)) + (area >= T(448 * 448));
}

// One axis of a box, in cells of its level and shifted by half a pixel, divided into bins.
template <class T>
struct BoxSide {
  T start, step;
};

template <class T>
MAPT_INLINE BoxSide<T> box_side(T low, T high, int64_t stride, int64_t bins) {
  const T scale = T(1) / static_cast<T>(stride), start = low * scale - T(0.5), end = high * scale - T(0.5);
  return {start, (end - start) / static_cast<T>(bins)};
}

// One axis of RoIAlign's bilinear sample (He et al., 2017): two cells and their weights.
template <class T>
struct AxisSample {
  int32_t low, high;  // in [0, size - 1]
  T low_weight, high_weight;
};

// Sample `i` of `ratio` in a bin of one axis of a box, on a map of `size` cells. Both weights are zero outside
// [-1, size] and at NaN.
template <class T>
MAPT_INLINE AxisSample<T> axis_sample(BoxSide<T> side, int64_t bin, int64_t i, int64_t ratio, int64_t size) {
  T c = side.start + static_cast<T>(bin) * side.step + (static_cast<T>(i) + T(0.5)) * side.step / static_cast<T>(ratio);
  if (!(c >= T(-1) && c <= static_cast<T>(size))) return {0, 0, T(0), T(0)};
  c = c > T(0) ? c : T(0);
  const int32_t low = static_cast<int32_t>(c);
  const int32_t last = static_cast<int32_t>(size - 1);
  if (low >= last) return {last, last, T(1), T(0)};
  const T part = c - static_cast<T>(low);
  return {low, low + 1, T(1) - part, part};
}

MAPT_END
