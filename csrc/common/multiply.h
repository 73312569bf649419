// A small dense matrix product for operands in the first-level cache.
#pragma once

#include "common/simd.h"

MAPT_BEGIN

// A step holds kRows * kColumns sums, kColumns factors and one more in registers: 29 of 32, or 15 of 16.
constexpr int kRows = 6;
constexpr int kColumns = kRegisters == 32 ? 4 : 2;

template <class T>
struct Left {
  const T* data;
  int64_t row, step;  // distance between rows, and between the elements that are summed
};

template <class T, int ROWS, int COLUMNS>
MAPT_INLINE void multiply_tile(Left<T> a, const T* b, int64_t b_row, T* c, int64_t c_row, int64_t depth) {
  constexpr int lanes = kLanes<T>;
  Vec<T> sums[ROWS][COLUMNS];
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < COLUMNS; ++v) sums[r][v] = load(c + r * c_row + v * lanes);
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vec<T> right[COLUMNS];
#pragma GCC unroll 4
    for (int v = 0; v < COLUMNS; ++v) right[v] = load(b + k * b_row + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const Vec<T> left = broadcast(a.data[r * a.row + k * a.step]);
#pragma GCC unroll 4
      for (int v = 0; v < COLUMNS; ++v) sums[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < COLUMNS; ++v) store(c + r * c_row + v * lanes, sums[r][v]);
  }
}

template <class T, int COLUMNS>
void multiply_rows(Left<T> a, const T* b, int64_t b_row, T* c, int64_t c_row, int64_t rows, int64_t depth) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    multiply_tile<T, kRows, COLUMNS>({a.data + r * a.row, a.row, a.step}, b, b_row, c + r * c_row, c_row, depth);
  }
  for (; r + 2 <= rows; r += 2) {
    multiply_tile<T, 2, COLUMNS>({a.data + r * a.row, a.row, a.step}, b, b_row, c + r * c_row, c_row, depth);
  }
  for (; r < rows; ++r) {
    multiply_tile<T, 1, COLUMNS>({a.data + r * a.row, a.row, a.step}, b, b_row, c + r * c_row, c_row, depth);
  }
}

// Adds the product of a (rows, depth) and b (depth, columns vectors) to c (rows, columns vectors). The sum over depth
// has a fixed order.
template <class T>
void multiply_add(Left<T> a, const T* b, int64_t b_row, T* c, int64_t c_row, int64_t rows, int64_t columns,
                  int64_t depth) {
  constexpr int lanes = kLanes<T>;
  int64_t v = 0;
  if (kColumns == 4 && columns % 4 == 1 &&
      columns > 8) {  // 9 = 3 + 3 + 3 keeps the arithmetic units busier than 4 + 4 + 1
    for (; (columns - v) % 4 != 0; v += 3) {
      multiply_rows<T, 3>(a, b + v * lanes, b_row, c + v * lanes, c_row, rows, depth);
    }
  }
  for (; v + kColumns <= columns; v += kColumns) {
    multiply_rows<T, kColumns>(a, b + v * lanes, b_row, c + v * lanes, c_row, rows, depth);
  }
  for (; v < columns; ++v) multiply_rows<T, 1>(a, b + v * lanes, b_row, c + v * lanes, c_row, rows, depth);
}

MAPT_END
