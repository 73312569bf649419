// The providers that the operators exist for, and how each of them runs a kernel.
//
// With MAPT_CUDA, the library contains the CUDA kernels. With MAPT_CUDA_AS_CPU, it is a library for tests: operators
// for CUDA's provider are registered for the CPU's, and their kernels run as loops (csrc/shim).
#pragma once

#include "cpu/dispatch.h"
#include "onnxruntime/tensors.h"

#if defined(MAPT_CUDA) || defined(MAPT_CUDA_AS_CPU)
#include "cuda/kernels.h"
#endif

namespace mapt_ort {

struct Cpu {
  static constexpr const char* kProvider = nullptr;  // ONNX Runtime's name of the CPU's provider
  static constexpr bool kReadsInputs = true;         // may the operator look at values before it runs?

  template <class Params>
  static void run(const Call& call, const Params& params) {
    mapt::run_on_cpu(params, call.threads());
  }
};

#if defined(MAPT_CUDA) || defined(MAPT_CUDA_AS_CPU)
// Nothing here waits for the GPU, so values of boxes and offsets are not checked. A box of no image gives zeros.
struct Cuda {
#if defined(MAPT_CUDA_AS_CPU)
  static constexpr const char* kProvider = nullptr;
#else
  static constexpr const char* kProvider = "CUDAExecutionProvider";
#endif
  static constexpr bool kReadsInputs = false;

  template <class Params>
  static void run(const Call& call, const Params& params) {
    const Workspace workspace(call, mapt::cuda_workspace_bytes(params));
    const char* error = mapt::run_on_cuda(params, workspace.data(), static_cast<mapt::Stream>(call.stream()));
    if (error) throw std::runtime_error(error);
  }
};
#endif

// Calls f with a value of each device type.
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
