// Where the taps of deformable kernels sample, one output pixel at a time (CUDA) or for the mask kernels of both.
#pragma once

#include "params.h"
#include "sample.h"

MAPT_BEGIN

// The sample of a tap at an output pixel; `field` is (2 * taps, out_height, out_width).
template <class T, class C>
MAPT_INLINE Sample<C, int32_t> tap_sample(const DeformConv<T, C>& p, const C* field, int64_t tap, int64_t pixel) {
  const int32_t row = static_cast<int32_t>(pixel) / static_cast<int32_t>(p.out_width);
  const int64_t pixels = p.out_pixels(), column = pixel - row * p.out_width;
  const C* dy = field + 2 * tap * pixels + pixel;
  const C y = static_cast<C>(row * p.stride - p.padding) + static_cast<C>(tap / p.kernel_w * p.dilation) + dy[0];
  const C x =
      static_cast<C>(column * p.stride - p.padding) + static_cast<C>(tap % p.kernel_w * p.dilation) + dy[pixels];
  return sample_at<C, C, int32_t>(y, x, p.height, p.width);
}

constexpr int64_t kAllTaps = kFields * kFieldTaps;

// Where the tap of a motion field samples for output pixel (0, 0) and offset zero.
MAPT_INLINE int64_t tap_shift_y(int64_t field, int64_t tap) { return (tap / 3 - 1) * dilation_of(field); }
MAPT_INLINE int64_t tap_shift_x(int64_t field, int64_t tap) { return (tap % 3 - 1) * dilation_of(field); }

// The part of a mask that holds anything, ends included; y1 < y0: nothing.
struct Extent {
  int64_t y0, x0, y1, x1;

  // Does a sample whose upper left cell is (y, x) read any of it?
  MAPT_INLINE bool holds(int64_t y, int64_t x) const { return y >= y0 - 1 && y <= y1 && x >= x0 - 1 && x <= x1; }
};

MAPT_END
