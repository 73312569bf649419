// The parameters of the collapsed motion step's kernels. common/params.h has the rules for all parameters.
#pragma once

#include "common/params.h"

namespace mapt {

constexpr int kFields = 4;
constexpr int kFieldTaps = 9;
constexpr int kMaskStride = 8;
constexpr int kFeatureSize = 7;
constexpr int kFeatureRatio = 2;

// 1, 3, 6 and 12, without a table, which a GPU would keep in slow memory.
MAPT_INLINE int64_t dilation_of(int64_t field) { return field == 0 ? 1 : int64_t{3} << (field - 1); }

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

}  // namespace mapt
