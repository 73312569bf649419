// The sampling points of a deformable convolution's taps at one output pixel, for CUDA. Include a header of cuda/
// before it, which names the instruction set.
#pragma once

#include "common/border.h"
#include "common/sample.h"
#include "operators/deform_conv/params.h"

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

MAPT_END
