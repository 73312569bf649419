// Finds the samples of an offset field that read each cell of the input, by a counting sort. Threads take positions by
// integer atomics. Afterwards each cell's samples are sorted, so the result does not depend on the order of threads.
#pragma once

#include "cuda/block.cuh"
#include "operators/deform_conv/taps.h"

MAPT_BEGIN

// Sample tap * out_pixels + pixel belongs to its upper left cell, which may be one row or column outside the map.
template <class T, class C>
struct SampleIndex {
  DeformConv<T, C> p;
  bool by_pixel;             // does `order` number samples pixel * taps + tap instead?
  int32_t* ends = nullptr;   // (fields, cells): behind the cell's last place
  int32_t* sums = nullptr;   // (fields, chunks): the samples of a chunk of cells
  int32_t* order = nullptr;  // (fields, samples): sample numbers, cell by cell
  C* parts = nullptr;        // (fields, samples, 2): how far below and to the right of the cell they lie

  MAPT_INLINE int64_t fields() const { return p.shared ? 1 : p.batch; }
  MAPT_INLINE int64_t samples() const { return p.taps() * p.out_pixels(); }
  MAPT_INLINE int64_t pitch() const { return p.width + 1; }
  MAPT_INLINE int64_t cells() const { return (p.height + 1) * pitch(); }
  // The cells that a thread adds up, and the chunks, of which there are at most 1024.
  MAPT_INLINE int64_t run() const { return max<int64_t>(8, ceil_div(cells(), 1024 * kChunkThreads)); }
  MAPT_INLINE int64_t chunks() const { return ceil_div(cells(), run() * kChunkThreads); }
  MAPT_INLINE const C* field(int64_t i) const { return p.offset + i * 2 * samples(); }
  // The positions of a cell's samples, counted within the field.
  MAPT_INLINE int32_t begin(int64_t field, int64_t cell) const {
    return cell == 0 ? 0 : ends[field * cells() + cell - 1];
  }
  MAPT_INLINE int32_t end(int64_t field, int64_t cell) const { return ends[field * cells() + cell]; }

  void allocate(Arena& arena) {
    ends = arena.take<int32_t>(fields(), cells());
    sums = arena.take<int32_t>(fields(), chunks());
    order = arena.take<int32_t>(fields(), samples());
    parts = arena.take<C>(fields(), samples(), 2);
  }

  MAPT_INLINE Sample<C, int32_t> sample(int64_t field_index, int64_t number) const {
    return tap_sample(p, field(field_index), number / p.out_pixels(), number % p.out_pixels());
  }
  MAPT_INLINE int64_t cell_of(int64_t field_index, const Sample<C, int32_t>& s) const {
    return field_index * cells() + (s.y + 1) * pitch() + (s.x + 1);
  }

  static constexpr int kChunkThreads = 256;
};

template <class T, class C>
struct Count {
  SampleIndex<T, C> index;
  MAPT_INLINE void operator()(int64_t field, int64_t number) const {
    const auto s = index.sample(field, number);
    if (s.inside) atomicAdd(index.ends + index.cell_of(field, s), 1);
  }
};

// With `start`, turns counts into the first position of each cell, which `Place` then moves to the ends. Otherwise it
// adds up the counts of each chunk, which the former needs.
template <class T, class C>
struct AddCounts {
  static constexpr int kThreads = SampleIndex<T, C>::kChunkThreads, kBlocks = 4;
  struct Shared {
    int32_t sums[kThreads], before[kThreads];
  };

  SampleIndex<T, C> index;
  bool start;

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    const int64_t field = block / index.chunks(), chunk = block % index.chunks();
    const int64_t first = (chunk * kThreads + thread()) * index.run();
    const int64_t last = min(first + index.run(), index.cells());
    int32_t* counts = index.ends + field * index.cells();
    int32_t sum = 0;
    for (int64_t i = first; i < last; ++i) sum += counts[i];
    if (!start) {
      sum = block_sum(shared.sums, sum);
      if (thread() == 0) index.sums[block] = sum;
      return;
    }
    int32_t at = 0;
    for (int64_t i = thread(); i < chunk; i += kThreads) at += index.sums[block - chunk + i];
    at = block_sum(shared.before, at) + sum_before(shared.sums, sum);
    for (int64_t i = first; i < last; ++i) {
      const int32_t count = counts[i];
      counts[i] = at;
      at += count;
    }
  }

 private:
  // The sum of the values of the threads before.
  MAPT_DEVICE int32_t sum_before(int32_t (&memory)[kThreads], int32_t value) const {
    int32_t sum = value;
    memory[thread()] = sum;
    __syncthreads();
    for (int step = 1; step < kThreads; step *= 2) {
      if (thread() >= step) sum += memory[thread() - step];
      __syncthreads();
      memory[thread()] = sum;
      __syncthreads();
    }
    return sum - value;
  }
};

template <class T, class C>
struct Place {
  SampleIndex<T, C> index;
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

template <class T, class C>
struct Sort {
  SampleIndex<T, C> index;
  MAPT_INLINE void operator()(int64_t field, int64_t cell) const {
    const int64_t base = field * index.samples(), pixels = index.p.out_pixels();
    const int32_t begin = index.begin(field, cell), end = index.end(field, cell);
    heap_sort(index.order + base + begin, end - begin);
    for (int64_t k = base + begin; k < base + end; ++k) {
      const int64_t number = index.order[k];
      const auto s = index.sample(field, number);
      index.parts[2 * k] = s.ly;
      index.parts[2 * k + 1] = s.lx;
      if (index.by_pixel) {
        index.order[k] = static_cast<int32_t>(number % pixels * index.p.taps() + number / pixels);
      }
    }
  }
};

template <class T, class C>
const char* build(const SampleIndex<T, C>& index, Stream stream) {
  const int64_t fields = index.fields(), blocks = fields * index.chunks();
  const char* error = fill(stream, index.ends, fields * index.cells(), int32_t{0});
  error = first_error(error, launch(stream, fields, index.samples(), Count<T, C>{index}));
  error = first_error(error, launch_blocks(stream, blocks, AddCounts<T, C>{index, false}));
  error = first_error(error, launch_blocks(stream, blocks, AddCounts<T, C>{index, true}));
  error = first_error(error, launch(stream, fields, index.samples(), Place<T, C>{index}));
  return first_error(error, launch(stream, fields, index.cells(), Sort<T, C>{index}));
}

MAPT_END
