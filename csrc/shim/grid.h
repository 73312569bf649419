// Runs CUDA kernels on the CPU if the compiler is not nvcc. It defines CUDA's keywords, and runs a grid as loops.
#pragma once

#include <cstdint>

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

}  // namespace shim
