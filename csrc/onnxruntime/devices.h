// The providers that the operators exist for, and the kernels that each of them calls.
//
// MAPT_CUDA: the library is linked with the CUDA kernels. MAPT_CUDA_AS_CPU: a test's library, in which what is written
// for CUDA's provider is registered for the CPU's, with the kernels run as loops (csrc/shim).
#pragma once

#include "onnxruntime/tensors.h"

#if defined(MAPT_CUDA) || defined(MAPT_CUDA_AS_CPU)
#include "cuda/kernels.h"
#endif

namespace mapt_ort {

struct Cpu {
  static constexpr const char* kProvider = nullptr;  // ONNX Runtime's way to say CPU
  static constexpr bool kReadsInputs = true;         // may the operator look at values before it runs?

  static void deform_conv2d(const Call& call, const mapt::DeformConv<float>& p) {
    mapt::cpu_kernels<float>().deform_conv2d(p, call.threads());
  }
  static void roi_align(const Call& call, const mapt::RoiAlign<float>& p) {
    mapt::cpu_kernels<float>().roi_align(p, call.threads());
  }
  static void propagate(const Call& call, const mapt::Propagate<float>& p) {
    mapt::cpu_kernels<float>().propagate(p, call.threads());
  }
};

#if defined(MAPT_CUDA) || defined(MAPT_CUDA_AS_CPU)
// Nothing here waits for the GPU. So what a box or an offset holds cannot be refused: a box of no image gives zeros.
struct Cuda {
#if defined(MAPT_CUDA_AS_CPU)
  static constexpr const char* kProvider = nullptr;
#else
  static constexpr const char* kProvider = "CUDAExecutionProvider";
#endif
  static constexpr bool kReadsInputs = false;

  static void deform_conv2d(const Call& call, const mapt::DeformConv<float>& p) {
    launched(mapt::cuda_deform_conv2d(p, stream(call)));
  }
  static void roi_align(const Call& call, const mapt::RoiAlign<float>& p) {
    launched(mapt::cuda_roi_align(p, stream(call)));
  }
  static void propagate(const Call& call, const mapt::Propagate<float>& p) {
    const Workspace workspace(call, mapt::cuda_propagate_bytes(p));
    launched(mapt::cuda_propagate(p, workspace.data(), stream(call)));
  }

 private:
  static mapt::Stream stream(const Call& call) { return static_cast<mapt::Stream>(call.stream()); }
  static void launched(const char* error) {
    if (error) throw std::runtime_error(error);
  }
};
#endif

// Calls f with one value of each.
template <class F>
void for_each_device(F f) {
#if !defined(MAPT_CUDA_AS_CPU)
  f(Cpu{});
#endif
#if defined(MAPT_CUDA) || defined(MAPT_CUDA_AS_CPU)
  f(Cuda{});
#endif
}

}  // namespace mapt_ort
