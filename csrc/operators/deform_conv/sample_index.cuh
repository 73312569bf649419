// Finds the samples of an offset field that read each cell of the input, by a counting sort. Threads take positions by
// integer atomics. Afterwards each cell's samples are sorted, so the result does not depend on the order of threads.
#pragma once

#include "cuda/launch.cuh"
#include "operators/deform_conv/taps.h"

MAPT_BEGIN

// Sample tap * out_pixels + pixel belongs to its upper left cell, which may be one row or column outside the map.
template <class T>
struct SampleIndex {
  DeformConv<T> p;
  int32_t* ends = nullptr;      // (fields, cells): behind the cell's last place
  int32_t* row_ends = nullptr;  // (fields, height + 1)
  int32_t* order = nullptr;     // (fields, samples): sample numbers, cell by cell
  T* parts = nullptr;           // (fields, samples, 2): how far below and to the right of the cell they lie

  MAPT_INLINE int64_t fields() const { return p.shared ? 1 : p.batch; }
  MAPT_INLINE int64_t samples() const { return p.taps() * p.out_pixels(); }
  MAPT_INLINE int64_t pitch() const { return p.width + 1; }
  MAPT_INLINE int64_t cells() const { return (p.height + 1) * pitch(); }
  MAPT_INLINE const T* field(int64_t i) const { return p.offset + i * 2 * samples(); }
  // The positions of a cell's samples, counted within its field. `at` counts cells over all fields.
  MAPT_INLINE int32_t begin(int64_t at) const { return at % cells() == 0 ? 0 : ends[at - 1]; }
  MAPT_INLINE int32_t end(int64_t at) const { return ends[at]; }

  void allocate(Arena& arena) {
    ends = arena.take<int32_t>(fields(), cells());
    row_ends = arena.take<int32_t>(fields(), p.height + 1);
    order = arena.take<int32_t>(fields(), samples());
    parts = arena.take<T>(fields(), samples(), 2);
  }

  MAPT_INLINE Sample<T, int32_t> sample(int64_t field_index, int64_t number) const {
    return tap_sample(p, field(field_index), number / p.out_pixels(), number % p.out_pixels());
  }
  MAPT_INLINE int64_t cell_of(int64_t field_index, const Sample<T, int32_t>& s) const {
    return field_index * cells() + (s.y + 1) * pitch() + (s.x + 1);
  }
};

template <class T>
struct Count {
  SampleIndex<T> index;
  MAPT_INLINE void operator()(int64_t field, int64_t number) const {
    const auto s = index.sample(field, number);
    if (s.inside) atomicAdd(index.ends + index.cell_of(field, s), 1);
  }
};

template <class T>
struct AddRow {
  SampleIndex<T> index;
  MAPT_INLINE void operator()(int64_t field, int64_t row) const {
    const int32_t* counts = index.ends + field * index.cells() + row * index.pitch();
    int32_t sum = 0;
    for (int64_t x = 0; x < index.pitch(); ++x) sum += counts[x];
    index.row_ends[field * (index.p.height + 1) + row] = sum;
  }
};

template <class T>
struct AddRows {
  SampleIndex<T> index;
  MAPT_INLINE void operator()(int64_t, int64_t field) const {
    int32_t* ends = index.row_ends + field * (index.p.height + 1);
    for (int64_t y = 1; y <= index.p.height; ++y) ends[y] += ends[y - 1];
  }
};

// Turns counts into the first position of each cell. `Place` then moves them to the ends.
template <class T>
struct Start {
  SampleIndex<T> index;
  MAPT_INLINE void operator()(int64_t field, int64_t row) const {
    int32_t* cells = index.ends + field * index.cells() + row * index.pitch();
    int32_t at = row == 0 ? 0 : index.row_ends[field * (index.p.height + 1) + row - 1];
    for (int64_t x = 0; x < index.pitch(); ++x) {
      const int32_t count = cells[x];
      cells[x] = at;
      at += count;
    }
  }
};

template <class T>
struct Place {
  SampleIndex<T> index;
  MAPT_INLINE void operator()(int64_t field, int64_t number) const {
    const auto s = index.sample(field, number);
    if (!s.inside) return;
    const int32_t at = atomicAdd(index.ends + index.cell_of(field, s), 1);
    index.order[field * index.samples() + at] = static_cast<int32_t>(number);
  }
};

MAPT_INLINE void sift_down(int32_t* heap, int64_t at, int64_t count) {
  const int32_t value = heap[at];
  for (int64_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && heap[child + 1] > heap[child]) ++child;
    if (heap[child] <= value) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = value;
}

// Sorts in place, in at most n log n steps, because all samples may be in one cell.
MAPT_INLINE void heap_sort(int32_t* values, int64_t count) {
  for (int64_t i = count / 2 - 1; i >= 0; --i) sift_down(values, i, count);
  for (int64_t last = count - 1; last > 0; --last) {
    const int32_t largest = values[0];
    values[0] = values[last];
    values[last] = largest;
    sift_down(values, 0, last);
  }
}

template <class T>
struct Sort {
  SampleIndex<T> index;
  MAPT_INLINE void operator()(int64_t field, int64_t cell) const {
    const int64_t at = field * index.cells() + cell, base = field * index.samples();
    const int32_t begin = index.begin(at), end = index.end(at);
    heap_sort(index.order + base + begin, end - begin);
    for (int64_t k = base + begin; k < base + end; ++k) {
      const auto s = index.sample(field, index.order[k]);
      index.parts[2 * k] = s.ly;
      index.parts[2 * k + 1] = s.lx;
    }
  }
};

template <class T>
const char* build(const SampleIndex<T>& index, Stream stream) {
  const int64_t fields = index.fields(), rows = index.p.height + 1;
  const char* error = fill(stream, index.ends, fields * index.cells(), int32_t{0});
  error = first_error(error, launch(stream, fields, index.samples(), Count<T>{index}));
  error = first_error(error, launch(stream, fields, rows, AddRow<T>{index}));
  error = first_error(error, launch(stream, 1, fields, AddRows<T>{index}));
  error = first_error(error, launch(stream, fields, rows, Start<T>{index}));
  error = first_error(error, launch(stream, fields, index.samples(), Place<T>{index}));
  return first_error(error, launch(stream, fields, index.cells(), Sort<T>{index}));
}

MAPT_END
