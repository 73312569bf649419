// RoIAlign over the pyramid on the CPU, forward and backward.
//
// A task owns kLanes channels of an image. It copies the parts of the levels that boxes read into [cell][lane] order,
// and pools all boxes from the cache. Bins are products of two axes, whose cells and weights are computed once per box.
#pragma once

#include "cpu/kernel.h"
#include "operators/roi_align/boxes.h"

MAPT_BEGIN

// Calls visit(bin, its x entries) for every bin of a row of a box, and zero(bin) for those that read no cell.
template <class V, class T, class F, class Z>
MAPT_INLINE void each_bin(Boxes<V, T>& boxes, int64_t box, int64_t size, int64_t by, const F& visit, const Z& zero) {
  for (int64_t bx = 0; bx < size; ++bx) {
    if (boxes.is_filled(box, 0, by) && boxes.is_filled(box, 1, bx)) {
      visit(by * size + bx, boxes.entries(box, 1, bx));
    } else {
      zero(by * size + bx);
    }
  }
}

// One box: bins[bin][lane]. COLUMNS is the number of cells of a bin along x, or 0 if it is no constant.
template <int COLUMNS, class V, class T>
MAPT_INLINE void pool_box(Boxes<V, T>& boxes, Slices<V, T>& slices, int64_t box, int64_t size, T* bins) {
  constexpr int64_t lanes = kLanes<T>;
  const int level = boxes.level(box);
  const T* cells = slices.level(level);
  const int64_t pitch = slices.width(level) * lanes;
  const int rows = boxes.count(box, 0), columns = COLUMNS ? COLUMNS : boxes.count(box, 1);
  for (int64_t by = 0; by < size; ++by) {
    const AxisEntry<T>* ys = boxes.entries(box, 0, by);
    each_bin(
        boxes, box, size, by,
        [=](int64_t bin, const AxisEntry<T>* xs) {
          Vec<T> total{};
          for (int i = 0; i < rows; ++i) {
            const T* row = cells + ys[i].cell * pitch;
            Vec<T> part = xs[0].weight * load(row + xs[0].cell * lanes);
#pragma GCC unroll 4
            for (int k = 1; k < columns; ++k) part += xs[k].weight * load(row + xs[k].cell * lanes);
            total += ys[i].weight * part;
          }
          store(bins + bin * lanes, total);
        },
        [=](int64_t bin) { store(bins + bin * lanes, Vec<T>{}); });
  }
}

template <class V, class T>
MAPT_INLINE void pool_box(Boxes<V, T>& boxes, Slices<V, T>& slices, int64_t box, int64_t size, T* bins) {
  const int columns = boxes.count(box, 1);
  if (columns == 4) return pool_box<4>(boxes, slices, box, size, bins);
  if (columns == 3) return pool_box<3>(boxes, slices, box, size, bins);
  if (columns == 2) return pool_box<2>(boxes, slices, box, size, bins);
  pool_box<0>(boxes, slices, box, size, bins);
}

// Copies bins[bin][lane] to rows[lane][bin], without a gap between rows. It may write one vector behind their end.
template <class T>
MAPT_INLINE void bins_to_rows(const T* bins, int64_t count, T* rows) {
  constexpr int64_t lanes = kLanes<T>;
  // The last bins come first. Their vectors may reach into the next row, whose first bins are stored later.
  int64_t first = (count - 1) / lanes * lanes;
  if (first > 0 && first == count - 1) {  // a single one, as of 7 x 7: no reason to transpose a square
    for (int64_t c = 0; c < lanes; ++c) rows[c * count + first] = bins[first * lanes + c];
    first -= lanes;
  }
  for (; first >= 0; first -= lanes) {
    Vec<T> square[lanes];
    for (int64_t i = 0; i < lanes; ++i) square[i] = first + i < count ? load(bins + (first + i) * lanes) : Vec<T>{};
    transpose<T>(square);
    for (int64_t c = 0; c < lanes; ++c) store(rows + c * count + first, square[c]);
  }
}

template <class T>
MAPT_INLINE void rows_to_bins(const T* rows, int64_t count, int64_t used, T* bins) {
  constexpr int64_t lanes = kLanes<T>;
  for (int64_t first = 0; first < count; first += lanes) {
    Vec<T> square[lanes];
    const int64_t left = min(lanes, count - first);
    for (int64_t c = 0; c < lanes; ++c) {
      const int64_t at = c * count + first;
      square[c] = c < used ? load(rows + at, min(lanes, used * count - at)) : Vec<T>{};
    }
    transpose<T>(square);
    for (int64_t i = 0; i < left; ++i) store(bins + (first + i) * lanes, square[i]);
  }
}

template <class T>
MAPT_INLINE void copy_floats(T* to, const T* from, int64_t count, bool streaming) {
  if (!streaming || !is_aligned(to)) {
    std::memcpy(to, from, count * sizeof(T));
    return;
  }
  int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) stream(to + i, load(from + i));
  for (; i < count; ++i) to[i] = from[i];
}

template <class V, class T>
MAPT_INLINE void copy_out(V* to, const T* from, int64_t count, bool streaming) {
  if constexpr (!kIsSum<V>) {
    for (int64_t i = 0; i < count; i += kLanes<T>) store_values(to + i, load(from + i, count - i), count - i);
  } else {
    copy_floats(to, from, count, streaming);
  }
}

// Lists of boxes are divided if an image has too few groups of channels for many threads.
constexpr int64_t kRoiTasks = 16;

template <class V, class T>
void roi_align(const RoiAlign<V, T>& p, const Parallel& parallel) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t groups = ceil_div(p.channels, lanes), bins = p.size * p.size;
  if (p.count == 0 || groups == 0 || bins == 0) return;
  Boxes<V, T> boxes(p, parallel);
  if (boxes.begin(p.batch) < p.count) std::memset(p.out, 0, p.count * p.channels * bins * sizeof(V));
  if (p.batch == 0) return;
  const int64_t parts = p.count >= 64 ? max<int64_t>(1, kRoiTasks / (p.batch * groups)) : 1;
  const bool streaming = kIsSum<V> && p.count * p.channels * bins * static_cast<int64_t>(sizeof(V)) >= kStreamBytes;
  parallel_for(parallel, p.batch * groups * parts, [&, parts, groups, bins](int64_t begin, int64_t end) {
    Slices<V, T> slices(p);
    Scratch<T> pooled(bins, lanes), rows(bins + 1, lanes);
    int64_t marked = -1;
    for (int64_t task = begin; task < end; ++task) {
      // Groups of channels change fastest, so that several tasks share the marks.
      const int64_t group = task % groups, list = task / groups, image = list / parts, part = list % parts;
      const int64_t length = boxes.begin(image + 1) - boxes.begin(image);
      const int64_t first = boxes.begin(image) + length * part / parts;
      const int64_t last = boxes.begin(image) + length * (part + 1) / parts;
      if (first == last) continue;
      if (marked != list) slices.mark(boxes, first, last);
      marked = list;
      slices.read(image, group * lanes);
      const int64_t used = min(lanes, p.channels - group * lanes);
      for (int64_t i = first; i < last; ++i) {
        const int64_t box = boxes.order(i);
        pool_box(boxes, slices, box, p.size, pooled.get());
        bins_to_rows(pooled.get(), bins, rows.get());
        copy_out(p.out + (box * p.channels + group * lanes) * bins, rows.get(), used * bins, streaming);
      }
    }
    if (streaming) stream_end();
  });
}

// Adds one box's gradient, bins[bin][lane], to the slices.
template <class T>
MAPT_INLINE void spread_box(Boxes<T, T>& boxes, Slices<T, T>& slices, int64_t box, int64_t size, const T* bins) {
  constexpr int64_t lanes = kLanes<T>;
  const int level = boxes.level(box);
  T* cells = slices.level(level);
  const int64_t pitch = slices.width(level) * lanes;
  const int rows = boxes.count(box, 0), columns = boxes.count(box, 1);
  for (int64_t by = 0; by < size; ++by) {
    const AxisEntry<T>* ys = boxes.entries(box, 0, by);
    each_bin(
        boxes, box, size, by,
        [=](int64_t bin, const AxisEntry<T>* xs) {
          const Vec<T> gradient = load(bins + bin * lanes);
          for (int i = 0; i < rows; ++i) {
            T* row = cells + ys[i].cell * pitch;
            const Vec<T> part = ys[i].weight * gradient;
            for (int k = 0; k < columns; ++k) {
              T* cell = row + xs[k].cell * lanes;
              store(cell, load(cell) + xs[k].weight * part);
            }
          }
        },
        [](int64_t) {});
  }
}

// A task owns its part of the gradient, and adds boxes in a fixed order, so any number of threads gives the same bits.
template <class T>
void roi_align_backward(const RoiAlignGrad<T>& g, const Parallel& parallel) {
  constexpr int64_t lanes = kLanes<T>;
  const RoiAlign<T>& p = g.forward;
  const int64_t groups = ceil_div(p.channels, lanes), bins = p.size * p.size;
  if (p.batch == 0 || groups == 0) return;
  Boxes<T, T> boxes(p, parallel);
  parallel_for(parallel, p.batch * groups, [&, groups, bins](int64_t begin, int64_t end) {
    Slices<T, T> slices(p);
    Scratch<T> gradient(bins, lanes);
    int64_t marked = -1;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t group = task % groups, image = task / groups;
      const int64_t first = boxes.begin(image), last = boxes.begin(image + 1);
      if (marked != image) slices.mark(boxes, first, last);
      marked = image;
      slices.clear();
      const int64_t used = min(lanes, p.channels - group * lanes);
      for (int64_t i = first; i < last; ++i) {
        const int64_t box = boxes.order(i);
        rows_to_bins(g.grad_out + (box * p.channels + group * lanes) * bins, bins, used, gradient.get());
        spread_box(boxes, slices, box, p.size, gradient.get());
      }
      slices.write(g.grads, image, group * lanes);
    }
  });
}

MAPT_CPU_KERNEL(RoiAlign, roi_align)
MAPT_CPU_KERNEL_OF_HALF(RoiAlign, roi_align)
MAPT_CPU_KERNEL(RoiAlignGrad, roi_align_backward)

MAPT_END
