// The CPU kernels, for whichever instruction set this machine has.
#pragma once

#include "common/params.h"

namespace mapt {

template <class T>
struct CpuKernels {
  void (*deform_conv2d)(const DeformConv<T>&, const Parallel&);
  void (*deform_conv2d_backward)(const DeformConvGrad<T>&, const Parallel&);
  void (*roi_align)(const RoiAlign<T>&, const Parallel&);
  void (*roi_align_backward)(const RoiAlignGrad<T>&, const Parallel&);
  void (*propagate)(const Propagate<T>&, const Parallel&);
};

// MAPT_ISA in the environment (baseline, avx2, avx512) asks for less than the machine has; read once.
template <class T>
const CpuKernels<T>& cpu_kernels();

// "baseline", "avx2" or "avx512".
const char* cpu_isa();

}  // namespace mapt
