// Chooses the instruction set once, at the first call of a kernel.
#include "cpu/dispatch.h"

#include <cstdlib>
#include <cstring>

namespace mapt {
namespace {

Isa choose() {
#if defined(__x86_64__)
  const char* asked = std::getenv("MAPT_ISA");
  const auto is_asked = [asked](const char* name) { return asked && std::strcmp(asked, name) == 0; };
  if (is_asked("baseline")) return Isa::kBaseline;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (wide && !is_asked("avx2")) return Isa::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::kAvx2;
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
