// Greedy suppression on the CPU, box by box.
#pragma once

#include "common/values.h"
#include "cpu/kernel.h"
#include "operators/greedy_keep/params.h"

MAPT_BEGIN

// One thread does it: each box waits for all before it, and rows of dropped boxes are not read.
template <class T, class C>
void greedy_keep(const GreedyKeep<T, C>& p, const Parallel&) {
  for (int64_t j = 0; j < p.count; ++j) p.keep[j] = T(1);
  for (int64_t i = 0; i < p.count; ++i) {
    if (!is_nonzero(p.keep[i])) continue;
    const T* row = p.suppresses + i * p.count;
    for (int64_t j = i + 1; j < p.count; ++j) p.keep[j] = Sum<T>(row[j]) > Sum<T>(0.5) ? T(0) : p.keep[j];
  }
}

MAPT_CPU_KERNEL(GreedyKeep, greedy_keep)
MAPT_CPU_KERNEL_OF_HALF(GreedyKeep, greedy_keep)

MAPT_END
