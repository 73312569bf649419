// The kernels for processors with AVX2, FMA and F16C.
#if defined(__x86_64__)
// Include standard headers first, because their functions must not be compiled for this instruction set.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#define MAPT_ISA avx2
#define MAPT_VECTOR_BYTES 32
#include "operators/operators.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
