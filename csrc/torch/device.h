// Runs kernels on PyTorch's tensors. An operator's torch.cpp is compiled once for each device. MAPT_TORCH_CUDA selects
// the library for CUDA tensors. The library for CPU tensors also has the schemas.
#pragma once

#include "torch/tensors.h"

#if defined(MAPT_TORCH_CUDA)
#include <ATen/Context.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "cuda/kernels.h"
#else
#include <ATen/Parallel.h>

#include <atomic>

#include "cpu/dispatch.h"
#endif

namespace mapt_torch {

#if defined(MAPT_TORCH_CUDA)

#define MAPT_TORCH_DEVICE CUDA
// Values are not checked, because that would wait for the GPU.
constexpr bool kReadsValues = false;
constexpr bool kReadsChannelsLast = true;

// May float32 be multiplied with the precision of TF32? PyTorch's own products ask the same.
inline bool allows_tf32() { return at::globalContext().allowTF32CuBLAS(); }

// Queues a kernel on PyTorch's current stream of the device of `like`. PyTorch's allocator gives memory of a stream
// only to later work of the same stream.
template <class Params>
void run(const Params& params, const Tensor& like) {
  const c10::cuda::CUDAGuard guard(like.device());
  const auto bytes = static_cast<int64_t>(mapt::cuda_workspace_bytes(params));
  const Tensor workspace = at::empty({bytes}, like.options().dtype(at::kByte));
  const auto stream = c10::cuda::getCurrentCUDAStream(like.get_device()).stream();
  const char* error = mapt::run_on_cuda(params, workspace.mutable_data_ptr(), stream);
  TORCH_CHECK(error == nullptr, "mapt: CUDA: ", error);
}

#else

#define MAPT_TORCH_DEVICE CPU
constexpr bool kReadsValues = true;
constexpr bool kReadsChannelsLast = false;
inline bool allows_tf32() { return false; }

// Each of PyTorch's threads takes the next piece when it is done, so a thread that waits for its core delays little.
inline void run_on_torch_threads(void*, int64_t tasks, mapt::Parallel::Body body, void* context) {
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), tasks);
  const int64_t piece = std::max<int64_t>(1, tasks / (4 * threads));
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t begin = next.fetch_add(piece); begin < tasks; begin = next.fetch_add(piece)) {
      body(context, begin, std::min(begin + piece, tasks));
    }
  });
}

template <class Params>
void run(const Params& params, const Tensor&) {
  mapt::run_on_cpu(params, mapt::Parallel{run_on_torch_threads, nullptr});
}

#endif

}  // namespace mapt_torch
