// Lets g++, clang++ and nvcc compile the same headers, even several times into one library.
//
// A file that is compiled for its own instruction set defines MAPT_ISA before it includes a header of this folder. This
// puts all functions into a namespace of that name. Otherwise the linker might replace a baseline function by one that
// was compiled for AVX-512.
#pragma once

#include <cstdint>

#ifndef MAPT_ISA
#define MAPT_ISA baseline
#endif

#if defined(__CUDACC__)
#define MAPT_INLINE __host__ __device__ __forceinline__
#else
#define MAPT_INLINE inline __attribute__((always_inline))
#endif

#define MAPT_BEGIN \
  namespace mapt { \
  namespace MAPT_ISA {
#define MAPT_END \
  }              \
  }

MAPT_BEGIN

MAPT_INLINE int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }
MAPT_INLINE int64_t ceil_div(int64_t value, int64_t step) { return (value + step - 1) / step; }
template <class N>
MAPT_INLINE N min(N a, N b) {
  return b < a ? b : a;
}
template <class N>
MAPT_INLINE N max(N a, N b) {
  return a < b ? b : a;
}

MAPT_END
