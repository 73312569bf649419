// A tensor times a number on the CPU.
#pragma once

#include "common/simd.h"
#include "cpu/kernel.h"
#include "operators/scale_by/params.h"

MAPT_BEGIN

template <class T>
void scale_by(const ScaleBy<T>& p, const Parallel& parallel) {
  parallel_for(parallel, ceil_div(p.count, kLanes<T>), [&p](int64_t begin, int64_t end) {
    for (int64_t i = begin * kLanes<T>; i < end * kLanes<T>; i += kLanes<T>) {
      store(p.out + i, load(p.x + i, p.count - i) * p.factor, p.count - i);
    }
  });
}

MAPT_CPU_KERNEL(ScaleBy, scale_by)

MAPT_END
