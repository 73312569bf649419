// The parameters of deformable convolution's kernels. common/params.h has the rules for all parameters.
#pragma once

#include "common/params.h"

namespace mapt {

// Deformable convolution, as torchvision defines it, with k = kernel_h * kernel_w taps.
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
  bool shared;        // one offset field for the whole batch
  bool tf32 = false;  // may a GPU multiply float32 with the precision of TF32?

  MAPT_INLINE int64_t taps() const { return kernel_h * kernel_w; }
  MAPT_INLINE int64_t out_pixels() const { return out_height * out_width; }
};

// The gradients. `forward.out` and `forward.bias` are not read. A gradient whose pointer is null is not computed.
template <class T, class C = T>
struct DeformConvGrad {
  DeformConv<T, C> forward;
  const T* grad_out;  // (batch, filters, out_height, out_width)
  T* grad_input;      // as input
  C* grad_offset;     // as offset
  T* grad_weight;     // as weight
  T* grad_bias;       // (filters)
};

}  // namespace mapt
