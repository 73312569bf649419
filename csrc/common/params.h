// One struct of plain pointers and sizes per operator. Tensors are contiguous, in the order of the shapes given here;
// sizes are checked by the caller. T is what values are stored as, C what coordinates are, and what is added up in:
// float or double, on a GPU also Half or BFloat16 with coordinates in float. Pixel counts of a map stay below 2^31.
#pragma once

#include "common/portable.h"

namespace mapt {

// Deformable convolution, torchvision's meaning. k = kernel_h * kernel_w taps.
template <class T, class C = T>
struct DeformConv {
  const T* input;   // (batch, channels, height, width)
  const C* offset;  // (shared ? 1 : batch, 2 * k, out_height, out_width), pairs (dy, dx)
  const T* weight;  // (filters, channels, kernel_h, kernel_w)
  const T* bias;    // (filters) or null
  T* out;           // (batch, filters, out_height, out_width)
  int64_t batch, channels, height, width;
  int64_t filters, kernel_h, kernel_w;
  int64_t out_height, out_width;
  int64_t stride, padding, dilation;
  bool shared;  // one offset field for the whole batch

  MAPT_INLINE int64_t taps() const { return kernel_h * kernel_w; }
  MAPT_INLINE int64_t out_pixels() const { return out_height * out_width; }
};

// Gradients of the above; `forward.out` and `forward.bias` are not read. A null pointer: that gradient is not wanted.
template <class T>
struct DeformConvGrad {
  DeformConv<T> forward;
  const T* grad_out;  // (batch, filters, out_height, out_width)
  T* grad_input;      // as input
  T* grad_offset;     // as offset
  T* grad_weight;     // as weight
  T* grad_bias;       // (filters)
};

constexpr int kLevels = 4;

// RoIAlign over the pyramid: each box on the level of its area, half-pixel aligned.
template <class T, class C = T>
struct RoiAlign {
  const T* features[kLevels];  // (batch, channels, heights[l], widths[l]); not read by the backward kernel
  const C* boxes;              // (count, 5): batch index, x1, y1, x2, y2 in input pixels
  T* out;                      // (count, channels, size, size)
  int64_t heights[kLevels], widths[kLevels], strides[kLevels];
  int64_t batch, channels, count, size, sampling_ratio;
};

template <class T>
struct RoiAlignGrad {
  RoiAlign<T> forward;  // `features` and `out` are not read
  const T* grad_out;    // (count, channels, size, size)
  T* grads[kLevels];    // as features
};

constexpr int kFields = 4;
constexpr int kFieldTaps = 9;
constexpr int kMaskStride = 8;
constexpr int kFeatureSize = 7;
constexpr int kFeatureRatio = 2;

MAPT_INLINE int64_t dilation_of(int64_t field) {
  const int64_t dilations[kFields] = {1, 3, 6, 12};
  return dilations[field];
}

// The collapsed motion step (mapt/ops/propagate.py). `logits` or `features` may be null.
template <class T, class C = T>
struct Propagate {
  const T* masks;       // (count, 1, height, width)
  const C* offsets;     // (4, 18, height, width)
  const T* weights;     // (4, filters, 1, 3, 3)
  const T* projection;  // (4 * filters), read for `logits`
  const T* bias;        // (1), read for `logits`
  const C* boxes;       // (count, 4) in input pixels, read for `features`
  T* logits;            // (count, 1, height, width)
  T* features;          // (count, 4 * filters, 7, 7)
  int64_t count, height, width, filters;
};

// The caller's threads: runs body(context, begin, end) so that the ranges cover [0, tasks) once. How they are cut does
// not change a bit of any result.
struct Parallel {
  using Body = void (*)(void* context, int64_t begin, int64_t end);
  void (*run)(void* pool, int64_t tasks, Body body, void* context);
  void* pool;
};

}  // namespace mapt
