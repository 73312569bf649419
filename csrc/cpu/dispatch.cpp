// Chooses the instruction set once, when a kernel is first asked for.
#include <cstdlib>
#include <cstring>

#include "cpu/kernels.h"

namespace mapt {

#define MAPT_DECLARE(isa)                         \
  namespace isa {                                 \
  extern const CpuKernels<float> kFloatKernels;   \
  extern const CpuKernels<double> kDoubleKernels; \
  }
MAPT_DECLARE(baseline)
#if defined(__x86_64__)
MAPT_DECLARE(avx2)
MAPT_DECLARE(avx512)
#endif
#undef MAPT_DECLARE

namespace {

struct Choice {
  const char* isa;
  const CpuKernels<float>* of_float;
  const CpuKernels<double>* of_double;
};

Choice choose() {
  [[maybe_unused]] const char* asked = std::getenv("MAPT_ISA");
#if defined(__x86_64__)
  const bool narrow = asked && std::strcmp(asked, "baseline") == 0, middle = asked && std::strcmp(asked, "avx2") == 0;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (wide && !narrow && !middle) return {"avx512", &avx512::kFloatKernels, &avx512::kDoubleKernels};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && !narrow) {
    return {"avx2", &avx2::kFloatKernels, &avx2::kDoubleKernels};
  }
#endif
  return {"baseline", &baseline::kFloatKernels, &baseline::kDoubleKernels};
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

}  // namespace

template <>
const CpuKernels<float>& cpu_kernels<float>() {
  return *choice().of_float;
}

template <>
const CpuKernels<double>& cpu_kernels<double>() {
  return *choice().of_double;
}

const char* cpu_isa() { return choice().isa; }

}  // namespace mapt
