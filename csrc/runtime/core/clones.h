// Compiles a loop once for each instruction set; the widest one that the machine has runs. Results do not depend on it:
// these files are compiled without contraction, so every operation is rounded on its own.
#pragma once

#include <cstddef>  // says whether the C library is glibc

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__clang__)
#define MAPT_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MAPT_CLONES
#endif
