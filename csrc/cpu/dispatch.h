// Runs the CPU kernel of some parameters, compiled for the widest instruction set that this machine has.
#pragma once

#include "common/parallel.h"

namespace mapt {

// One namespace for each instruction set; cpu/<name>.cpp compiles every kernel of operators/operators.inc into it.
namespace baseline {
template <class Params>
void run(const Params&, const Parallel&);
}
#if defined(__x86_64__)
namespace avx2 {
template <class Params>
void run(const Params&, const Parallel&);
}
namespace avx512 {
template <class Params>
void run(const Params&, const Parallel&);
}
#endif

enum class Isa { kBaseline, kAvx2, kAvx512 };

// The instruction set, which is chosen once. MAPT_ISA in the environment (baseline, avx2, avx512) selects a lower one.
Isa isa();

// "baseline", "avx2" or "avx512".
const char* isa_name();

template <class Params>
void run_on_cpu(const Params& params, const Parallel& parallel) {
#if defined(__x86_64__)
  if (isa() == Isa::kAvx512) return avx512::run(params, parallel);
  if (isa() == Isa::kAvx2) return avx2::run(params, parallel);
#endif
  baseline::run(params, parallel);
}

}  // namespace mapt
