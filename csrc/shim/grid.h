// Runs CUDA kernels on the CPU if the compiler is not nvcc. It defines CUDA's keywords, and runs a grid as loops.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "shim/fibers.h"

#define __global__
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline thread_local dim3 blockIdx, threadIdx, blockDim, gridDim;

inline int32_t atomicAdd(int32_t* address, int32_t value) {
  const int32_t before = *address;
  *address += value;
  return before;
}

inline void __syncthreads() { shim::Fibers::get().wait(shim::Pause::kBlock); }

namespace shim {

// If true, blocks and threads run from last to first. Results must not depend on their order.
inline bool backwards = false;

template <class Kernel, class... Arguments>
void run(dim3 grid, dim3 block, Kernel kernel, const Arguments&... arguments) {
  gridDim = grid;
  blockDim = block;
  const uint64_t threads = uint64_t{block.x}, total = threads * grid.x * grid.y;
  for (uint64_t i = 0; i < total; ++i) {
    const uint64_t at = backwards ? total - 1 - i : i;
    threadIdx = dim3(static_cast<unsigned>(at % threads));
    blockIdx = dim3(static_cast<unsigned>(at / threads % grid.x), static_cast<unsigned>(at / threads / grid.x));
    kernel(arguments...);
  }
}

// Runs blocks whose threads wait for each other and share memory, which holds NaN when a block begins.
template <class Shared, class F>
void run_blocks(int64_t blocks, int threads, const F& f) {
  struct Context {
    const F& f;
    Shared* shared;
    int64_t block;
  };
  static_assert(alignof(Shared) <= 16, "");
  const std::unique_ptr<void, void (*)(void*)> memory(std::malloc(sizeof(Shared)), std::free);
  for (int64_t i = 0; i < blocks; ++i) {
    Context context{f, static_cast<Shared*>(memory.get()), backwards ? blocks - 1 - i : i};
    std::memset(memory.get(), 0xff, sizeof(Shared));
    Fibers::get().run(
        threads, backwards, [](int thread) { threadIdx = dim3(static_cast<unsigned>(thread)); },
        [](void* at) {
          const auto* own = static_cast<const Context*>(at);
          own->f(*own->shared, own->block);
        },
        &context);
  }
}

// Shows `own` to the other threads of the warp, calls read(lane) with a function that gives theirs, and waits until all
// have read.
template <class T, class F>
void exchange(const T& own, F read) {
  Fibers& fibers = Fibers::get();
  const int thread = fibers.current(), first = thread / kWarp * kWarp;
  fibers.shown[thread] = &own;
  fibers.wait(Pause::kWarp);
  read([&fibers, first](int lane) -> const T& { return *static_cast<const T*>(fibers.shown[first + lane]); });
  fibers.wait(Pause::kWarp);
}

}  // namespace shim
