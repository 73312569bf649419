// Connects a CPU kernel with the calls of its parameters. A kernel's header ends with MAPT_CPU_KERNEL.
#pragma once

#include "common/parallel.h"
#include "common/portable.h"

MAPT_BEGIN

template <class Params>
struct KernelOf;

// Defines the functions that cpu/dispatch.h declares.
template <class Params>
void run(const Params& params, const Parallel& parallel) {
  KernelOf<Params>::run(params, parallel);
}

MAPT_END

// Inside the namespace of MAPT_BEGIN: `kernel`, a template like Params, computes float and double.
#define MAPT_CPU_KERNEL(Params, kernel)                                                              \
  template <class T>                                                                                 \
  struct KernelOf<Params<T>> {                                                                       \
    static void run(const Params<T>& params, const Parallel& parallel) { kernel(params, parallel); } \
  };                                                                                                 \
  template void run(const Params<float>&, const Parallel&);                                          \
  template void run(const Params<double>&, const Parallel&);

// The same for values in half precision, beside coordinates in float.
#define MAPT_CPU_KERNEL_OF_HALF(Params, kernel)                                                                    \
  template <>                                                                                                      \
  struct KernelOf<Params<Half, float>> {                                                                           \
    static void run(const Params<Half, float>& params, const Parallel& parallel) { kernel(params, parallel); }     \
  };                                                                                                               \
  template <>                                                                                                      \
  struct KernelOf<Params<BFloat16, float>> {                                                                       \
    static void run(const Params<BFloat16, float>& params, const Parallel& parallel) { kernel(params, parallel); } \
  };                                                                                                               \
  template void run(const Params<Half, float>&, const Parallel&);                                                  \
  template void run(const Params<BFloat16, float>&, const Parallel&);
