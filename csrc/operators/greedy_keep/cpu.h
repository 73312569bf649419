// Greedy suppression on the CPU, box by box.
#pragma once

#include "cpu/kernel.h"
#include "operators/greedy_keep/params.h"

MAPT_BEGIN

// One thread does it: each box waits for all before it, and rows of dropped boxes are not read.
template <class T>
void greedy_keep(const GreedyKeep<T>& p, const Parallel&) {
  for (int64_t j = 0; j < p.count; ++j) p.keep[j] = T(1);
  for (int64_t i = 0; i < p.count; ++i) {
    if (p.keep[i] == T(0)) continue;
    const T* row = p.suppresses + i * p.count;
    for (int64_t j = i + 1; j < p.count; ++j) p.keep[j] = row[j] > T(0.5) ? T(0) : p.keep[j];
  }
}

MAPT_CPU_KERNEL(GreedyKeep, greedy_keep)

MAPT_END
