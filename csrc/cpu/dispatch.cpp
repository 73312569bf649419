// Chooses the instruction set once, at the first call of a kernel.
#include "cpu/dispatch.h"

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace mapt {
namespace {

#if defined(__x86_64__)
// clang++ 14 has no name for it in __builtin_cpu_supports. Whoever has AVX2 uses it as the system allows.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}
#endif

Isa choose() {
#if defined(__x86_64__)
  const char* asked = std::getenv("MAPT_ISA");
  const auto is_asked = [asked](const char* name) { return asked && std::strcmp(asked, name) == 0; };
  if (is_asked("baseline")) return Isa::kBaseline;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (wide && !is_asked("avx2")) return Isa::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) return Isa::kAvx2;
#endif
  return Isa::kBaseline;
}

}  // namespace

Isa isa() {
  static const Isa chosen = choose();
  return chosen;
}

const char* isa_name() {
  static const char* const names[] = {"baseline", "avx2", "avx512"};
  return names[static_cast<int>(isa())];
}

}  // namespace mapt
