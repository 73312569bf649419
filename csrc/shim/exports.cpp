// Further exports for ctypes in tests, beside the kernels that cuda/launch.cuh exports.
#include <cstdint>

#include "common/half.h"
#include "shim/grid.h"

extern "C" {
// Converts numbers to half precision and back.
void to_half(const float* values, mapt::Half* halves, int64_t count) {
  for (int64_t i = 0; i < count; ++i) halves[i] = mapt::Half(values[i]);
}
void from_half(const mapt::Half* halves, float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(halves[i]);
}

void run_backwards(bool yes) { shim::backwards = yes; }
}
