// Starts kernels. A kernel is a functor that is called once for each (row, column). Neighbouring threads have
// neighbouring columns.
//
// nvcc launches the grid. Any other compiler runs the same grid as loops, block by block (csrc/shim), so that tests
// execute this source without a GPU. These kernels use no shared memory and no barriers; block.cuh has those that do.
//
// Each kernel specialises KernelOf for its parameters, and its file ends with MAPT_CUDA_FORWARD or MAPT_CUDA_BACKWARD.
#pragma once

#undef MAPT_ISA
#define MAPT_ISA cuda

#include "common/limits.h"
#include "common/portable.h"
#include "cuda/kernels.h"

#if defined(__CUDACC__)
#include <cuda_runtime_api.h>
#define MAPT_PRAGMA(text) _Pragma(#text)
#define MAPT_UNROLL MAPT_PRAGMA(unroll)
#define MAPT_UNROLL_BY(times) MAPT_PRAGMA(unroll times)
#define MAPT_EXPORT_TO_TESTS(symbol, ...)
#else
#include "shim/export.h"
#include "shim/grid.h"
#define MAPT_UNROLL
#define MAPT_UNROLL_BY(times)
#endif

MAPT_BEGIN

constexpr int kThreads = 128;

template <class F>
__global__ void __launch_bounds__(kThreads, 4) run_grid(const F f, int64_t rows, int64_t columns) {
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (int64_t column = first; column < columns; column += static_cast<int64_t>(gridDim.x) * blockDim.x) {
      f(row, column);
    }
  }
}

template <class F>
const char* launch([[maybe_unused]] Stream stream, int64_t rows, int64_t columns, const F& f) {
  if (rows <= 0 || columns <= 0) return nullptr;
  const dim3 grid(static_cast<unsigned>(min<int64_t>(ceil_div(columns, kThreads), int64_t{1} << 20)),
                  static_cast<unsigned>(min<int64_t>(rows, 65535)));
#if defined(__CUDACC__)
  run_grid<F><<<grid, dim3(kThreads), 0, stream>>>(f, rows, columns);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
#else
  shim::run(grid, dim3(kThreads), run_grid<F>, f, rows, columns);
  return nullptr;
#endif
}

// The first failure of several launches.
inline const char* first_error(const char* a, const char* b) { return a ? a : b; }

// Writes `value` to every element.
template <class N>
struct Fill {
  N* data;
  N value;
  int64_t columns;
  MAPT_INLINE void operator()(int64_t row, int64_t column) const { data[row * columns + column] = value; }
};

template <class N>
const char* fill(Stream stream, N* data, int64_t count, N value) {
  return data ? launch(stream, 1, count, Fill<N>{data, value, count}) : nullptr;
}

// Hands out pieces of the caller's memory. Without memory, it only counts bytes.
class Arena {
 public:
  explicit Arena(void* memory) : memory_(static_cast<char*>(memory)) {}

  // Memory for a * b * ... elements. Throws std::bad_alloc if the number of bytes overflows.
  template <class N, class... Factors>
  N* take(Factors... factors) {
    const int64_t at = bytes_, more = checked_product({factors..., int64_t{sizeof(N)}});
    if (more > kMaxBytes - at) throw std::bad_alloc();
    bytes_ += round_up(more, 256);
    return memory_ ? reinterpret_cast<N*>(memory_ + at) : nullptr;
  }

  size_t bytes() const { return static_cast<size_t>(bytes_); }

 private:
  static constexpr int64_t kMaxBytes = INT64_MAX / 2;  // so that rounding up has room
  char* memory_;
  int64_t bytes_ = 0;
};

// The context of a kernel that needs no memory beside its parameters.
struct Nothing {};

// `allocate(params, arena)` makes a kernel's context with memory of the arena, and `start` queues the kernel.
template <class Params>
struct KernelOf;

MAPT_END

namespace mapt {

template <class Params>
size_t cuda_workspace_bytes(const Params& params) {
  cuda::Arena arena(nullptr);
  cuda::KernelOf<Params>::allocate(params, arena);
  return arena.bytes();
}

template <class Params>
const char* run_on_cuda(const Params& params, void* workspace, Stream stream) {
  using Kernel = cuda::KernelOf<Params>;
  cuda::Arena arena(workspace);
  return Kernel::start(params, Kernel::allocate(params, arena), stream);
}

}  // namespace mapt

// Use it in the namespace mapt. It defines a kernel, and a symbol by which tests call the kernel as loops.
#define MAPT_CUDA_KERNEL(symbol, ...)                                  \
  template size_t cuda_workspace_bytes(const __VA_ARGS__&);            \
  template const char* run_on_cuda(const __VA_ARGS__&, void*, Stream); \
  MAPT_EXPORT_TO_TESTS(symbol, __VA_ARGS__)
#define MAPT_CUDA_FORWARD(symbol, Params)                    \
  MAPT_CUDA_KERNEL(symbol##_float32, Params<float, float>)   \
  MAPT_CUDA_KERNEL(symbol##_float64, Params<double, double>) \
  MAPT_CUDA_KERNEL(symbol##_float16, Params<Half, float>)    \
  MAPT_CUDA_KERNEL(symbol##_bfloat16, Params<BFloat16, float>)
#define MAPT_CUDA_BACKWARD(symbol, Params)          \
  MAPT_CUDA_KERNEL(symbol##_float32, Params<float>) \
  MAPT_CUDA_KERNEL(symbol##_float64, Params<double>)
