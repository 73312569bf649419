// The CUDA kernels for a test's ctypes, compiled without nvcc and run as loops. Memory that kernels are given beside
// their arguments has exactly the size they asked for and holds NaN.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cuda/kernels.h"
#include "shim/grid.h"

namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

std::unique_ptr<void, Free> workspace(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = std::aligned_alloc(256, bytes);
  std::memset(memory, 0xff, bytes);
  return std::unique_ptr<void, Free>(memory);
}

}  // namespace

#define MAPT_FORWARD(suffix, T, C)                                                                                     \
  const char* deform_conv2d_##suffix(const mapt::DeformConv<T, C>& p) { return mapt::cuda_deform_conv2d(p, nullptr); } \
  const char* roi_align_##suffix(const mapt::RoiAlign<T, C>& p) { return mapt::cuda_roi_align(p, nullptr); }           \
  const char* propagate_##suffix(const mapt::Propagate<T, C>& p) {                                                     \
    return mapt::cuda_propagate(p, workspace(mapt::cuda_propagate_bytes(p)).get(), nullptr);                           \
  }
#define MAPT_BACKWARD(suffix, T)                                                                                       \
  const char* deform_conv2d_backward_##suffix(const mapt::DeformConvGrad<T>& g) {                                      \
    return mapt::cuda_deform_conv2d_backward(g, workspace(mapt::cuda_deform_conv2d_backward_bytes(g)).get(), nullptr); \
  }                                                                                                                    \
  const char* roi_align_backward_##suffix(const mapt::RoiAlignGrad<T>& g) {                                            \
    return mapt::cuda_roi_align_backward(g, workspace(mapt::cuda_roi_align_backward_bytes(g)).get(), nullptr);         \
  }

extern "C" {
MAPT_FORWARD(float32, float, float)
MAPT_FORWARD(float64, double, double)
MAPT_FORWARD(float16, mapt::Half, float)
MAPT_FORWARD(bfloat16, mapt::BFloat16, float)
MAPT_BACKWARD(float32, float)
MAPT_BACKWARD(float64, double)

// Numbers to half precision and back.
void to_half(const float* values, mapt::Half* halves, int64_t count) {
  for (int64_t i = 0; i < count; ++i) halves[i] = mapt::Half(values[i]);
}
void from_half(const mapt::Half* halves, float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(halves[i]);
}

void run_backwards(bool yes) { shim::backwards = yes; }
}
