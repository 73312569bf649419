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
#include <pthread.h>

#include <atomic>
#include <mutex>

#include "cpu/dispatch.h"
#include "cpu/thread_pool.h"
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

// The threads of this process's kernels. They are never joined, because a process may end at any time. A forked process
// has no threads, and starts its own.
inline std::atomic<mapt::ThreadPool*> pool_of_process{nullptr};

inline mapt::ThreadPool& thread_pool() {
  static std::mutex making;
  if (mapt::ThreadPool* const pool = pool_of_process.load(std::memory_order_acquire)) return *pool;
  const std::lock_guard<std::mutex> lock(making);
  if (pool_of_process.load() == nullptr) {
    static const int registered = pthread_atfork(nullptr, nullptr, [] { pool_of_process = nullptr; });
    static_cast<void>(registered);
    pool_of_process = new mapt::ThreadPool;
  }
  return *pool_of_process;
}

// As many threads as PyTorch's own operators use, but not the same ones. Those of OpenMP begin and end together, so one
// that gets no core delays all.
inline void run_on_threads(void*, int64_t tasks, mapt::Parallel::Body body, void* context) {
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  if (threads <= 1 || tasks <= 1) {
    if (tasks > 0) body(context, 0, tasks);
    return;
  }
  thread_pool().run(threads, tasks, body, context);
}

template <class Params>
void run(const Params& params, const Tensor&) {
  mapt::run_on_cpu(params, mapt::Parallel{run_on_threads, nullptr});
}

#endif

}  // namespace mapt_torch
