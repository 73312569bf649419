// The parameters of the kernels of RoIAlign over the pyramid. common/params.h has the rules for all parameters.
#pragma once

#include "common/params.h"

namespace mapt {

constexpr int kLevels = 4;

// RoIAlign of each box on the pyramid level of its area, aligned by half a pixel.
template <class T, class C = T>
struct RoiAlign {
  const T* features[kLevels];  // (batch, channels, heights[l], widths[l]); not read by the backward kernel
  const C* boxes;              // (count, 5): batch index, x1, y1, x2, y2 in input pixels
  T* out;                      // (count, channels, size, size)
  int64_t heights[kLevels], widths[kLevels], strides[kLevels];
  int64_t batch, channels, count, size, sampling_ratio;
  // For a GPU's forward kernel: features are (batch, heights[l], widths[l], channels), aligned to 16 bytes, and
  // channels fill whole vectors of 16 bytes.
  bool channels_last = false;
};

template <class T>
struct RoiAlignGrad {
  RoiAlign<T> forward;  // `features` and `out` are not read
  const T* grad_out;    // (count, channels, size, size)
  T* grads[kLevels];    // as features
};

}  // namespace mapt
