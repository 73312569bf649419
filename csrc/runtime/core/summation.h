// Sums in the order in which NumPy adds: by pairs of halves, down to blocks of at most 128 numbers with eight running
// sums each. Equal order gives equal bits.
#pragma once

#include <cstdint>

namespace mapt {

constexpr int64_t kBlock = 128;  // numbers that are not halved

// The sum of at most kBlock numbers.
template <class T>
inline __attribute__((always_inline)) T sum_of_block(const T* values, int64_t count) {
  if (count < 8) {
    T sum = T(0);
    for (int64_t at = 0; at < count; ++at) sum += values[at];
    return sum;
  }
  T sums[8];
  for (int lane = 0; lane < 8; ++lane) sums[lane] = values[lane];
  int64_t at = 8;
  for (; at < count - count % 8; at += 8) {
    for (int lane = 0; lane < 8; ++lane) sums[lane] += values[at + lane];
  }
  T sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  for (; at < count; ++at) sum += values[at];
  return sum;
}

// The sum of any number of them; `block` is a compiled `sum_of_block`.
template <class T>
T pairwise_sum(const T* values, int64_t count, T (*block)(const T*, int64_t)) {
  if (count <= kBlock) return block(values, count);
  const int64_t half = count / 2 - count / 2 % 8;
  return pairwise_sum(values, half, block) + pairwise_sum(values + half, count - half, block);
}

}  // namespace mapt
