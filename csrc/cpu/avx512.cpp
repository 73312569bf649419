// The kernels for processors with AVX-512 (F, BW, DQ, VL).
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
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif

#define MAPT_ISA avx512
#define MAPT_VECTOR_BYTES 64
#include "operators/operators.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
