// The logistic function of `runtime/perception/sigmoid.py`: the same operations in the same order.
#pragma once

#include "runtime/core/contract.h"

namespace mapt {

inline float sigmoid(float x) {
  // NaN passes both comparisons, as it passes NumPy's clip.
  x = x < -kSigmoidLimit ? -kSigmoidLimit : x;
  x = x > kSigmoidLimit ? kSigmoidLimit : x;
  const float square = x * x;
  float factor = square + kSigmoidQ2;
  factor = factor * square + kSigmoidQ1;
  factor = factor * square + kSigmoidQ0;
  float half = x / factor;
  factor = square * kSigmoidP3 + kSigmoidP2;
  factor = factor * square + kSigmoidP1;
  factor = factor * square + kSigmoidP0;
  half *= factor;
  return half + 0.5f;
}

}  // namespace mapt
