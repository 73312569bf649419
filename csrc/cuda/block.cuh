// Starts kernels whose threads work together. Such a kernel is a functor with
//   kThreads, kBlocks            the threads of a block, and the blocks that a multiprocessor should hold
//   Shared                       the block's shared memory, which holds nothing when a block begins
//   operator()(Shared&, block)   called by each thread of each block; `thread()` is its number
//
// Threads wait for each other with __syncthreads(). Any other compiler than nvcc runs a block's threads as fibres
// (csrc/shim/fibers.h), one after the other up to each barrier, forwards or backwards.
#pragma once

#include "cuda/launch.cuh"

#if defined(__CUDACC__)
#define MAPT_DEVICE __device__ __forceinline__
#else
#define MAPT_DEVICE MAPT_INLINE
#endif

MAPT_BEGIN

MAPT_DEVICE int thread() { return static_cast<int>(threadIdx.x); }

#if defined(__CUDACC__)
template <class F>
__global__ void __launch_bounds__(F::kThreads, F::kBlocks) run_blocks(const F f, int64_t blocks) {
  __shared__ typename F::Shared shared;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    if (block != blockIdx.x) __syncthreads();
    f(shared, block);
  }
}
#endif

template <class F>
const char* launch_blocks([[maybe_unused]] Stream stream, int64_t blocks, const F& f) {
  static_assert(sizeof(typename F::Shared) <= 48 << 10, "more shared memory than every GPU has");
  if (blocks <= 0) return nullptr;
#if defined(__CUDACC__)
  run_blocks<F><<<static_cast<unsigned>(min<int64_t>(blocks, INT32_MAX)), F::kThreads, 0, stream>>>(f, blocks);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
#else
  shim::run_blocks<typename F::Shared>(blocks, F::kThreads, f);
  return nullptr;
#endif
}

// The sum over the first `count` of a block's THREADS threads, always in the same order. Every thread gets it. The
// threads must not use `memory` before their next barrier.
template <int THREADS, class C>
MAPT_DEVICE C block_sum(C (&memory)[THREADS], C value) {
  memory[thread()] = value;
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if (thread() < half) memory[thread()] += memory[thread() + half];
    __syncthreads();
  }
  return memory[0];
}

MAPT_END
