// The maps that the kernels read. Channels are the lanes of vectors, and a border of zeros surrounds each map. A
// bilinear sample is therefore four loads, and needs no test.
#pragma once

#include "common/border.h"
#include "common/values.h"

MAPT_BEGIN

// Copies a bordered row of up to kLanes planes to dst[cell][lane], the first cell of the map. Missing planes are zero.
template <class V, class T>
void row_to_lanes(const V* planes, int64_t count, Border border, T* dst, int64_t cell_step, int64_t row) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t pixels = border.height * border.width;
  T* cells = dst + row * border.pitch() * cell_step;
  if (row == 0 || row > border.height) {
    for (int64_t x = 0; x < border.pitch(); ++x) store(cells + x * cell_step, Vec<T>{});
    return;
  }
  store(cells, Vec<T>{});
  store(cells + (border.width + 1) * cell_step, Vec<T>{});
  const V* source = planes + (row - 1) * border.width;
  for (int64_t x = 0; x < border.width; x += lanes) {
    const int64_t left = min(lanes, border.width - x);
    Vec<T> square[lanes];
    for (int64_t i = 0; i < lanes; ++i) square[i] = i < count ? load_values(source + i * pixels + x, left) : Vec<T>{};
    transpose<T>(square);
    for (int64_t i = 0; i < left; ++i) store(cells + (1 + x + i) * cell_step, square[i]);
  }
}

// Copies `planes` (planes, height, width), of any type of values, to dst[group][cell][lane]. A group is kLanes planes.
// cell_step and group_step are the distances between cells and between groups.
template <class V, class T>
void to_lanes(const V* planes, int64_t count, Border border, T* dst, int64_t cell_step, int64_t group_step,
              const Parallel& parallel) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t groups = ceil_div(count, lanes), pixels = border.height * border.width;
  parallel_for(parallel, groups * border.rows(), [=](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t group = task / border.rows();
      row_to_lanes(planes + group * lanes * pixels, min(lanes, count - group * lanes), border, dst + group * group_step,
                   cell_step, task % border.rows());
    }
  });
}

// The inverse, without the border: adds src[part][group][cell][lane] over `parts`, in their order, and writes planes.
template <class T>
void from_lanes(const T* src, int64_t parts, int64_t part_step, int64_t cell_step, int64_t group_step, Border border,
                T* planes, int64_t count, const Parallel& parallel) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t groups = ceil_div(count, lanes), pixels = border.height * border.width;
  parallel_for(parallel, groups * border.height, [=](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t group = task / border.height, row = task % border.height;
      const T* cells = src + group * group_step + ((row + 1) * border.pitch() + 1) * cell_step;
      const int64_t used = min(lanes, count - group * lanes);
      T* target = planes + group * lanes * pixels + row * border.width;
      for (int64_t x = 0; x < border.width; x += lanes) {
        const int64_t left = min(lanes, border.width - x);
        Vec<T> square[lanes];
        for (int64_t i = 0; i < lanes; ++i) {
          square[i] = Vec<T>{};
          for (int64_t part = 0; part < parts && i < left; ++part) {
            square[i] += load(cells + part * part_step + (x + i) * cell_step);
          }
        }
        transpose<T>(square);
        for (int64_t i = 0; i < used; ++i) store(target + i * pixels + x, square[i], left);
      }
    }
  });
}

MAPT_END
