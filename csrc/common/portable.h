// What lets one header be compiled by g++, clang++ and nvcc, and several times into one library.
//
// Every file that is compiled for an instruction set of its own defines MAPT_ISA before it includes a header of this
// folder. All functions then lie in a namespace of that name, so the linker can never take a function that was compiled
// for AVX-512 where the baseline was asked for.
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
