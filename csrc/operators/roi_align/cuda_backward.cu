// The backward pass of RoIAlign over the pyramid on a GPU. It has no atomics: a thread owns cells of the gradient, and
// adds the boxes that read them in a fixed order, so every run gives the same bits.
#include "cuda/launch.cuh"
#include "operators/roi_align/cells.h"

MAPT_BEGIN

constexpr int kTile = 16;     // cells; a tile lists the boxes that read any of its kTile x kTile cells
constexpr int kGathered = 8;  // channels per thread

struct BoxReach {
  int32_t level, image;  // level -1: none
  Reach y, x;
};

// Tiles are ordered by image, level, row and column.
template <class T>
struct Tiles {
  RoiAlign<T> p;
  BoxReach* boxes;  // (count)
  int32_t* counts;  // (batch * tiles)
  int32_t* lists;   // (batch * tiles, count)

  MAPT_INLINE int64_t columns(int level) const { return ceil_div(p.widths[level], kTile); }
  MAPT_INLINE int64_t of_level(int level) const { return ceil_div(p.heights[level], kTile) * columns(level); }
  MAPT_INLINE int64_t of_image() const { return of_level(0) + of_level(1) + of_level(2) + of_level(3); }
};

template <class T>
struct Measure {
  Tiles<T> tiles;
  MAPT_INLINE void operator()(int64_t, int64_t r) const {
    const RoiAlign<T>& p = tiles.p;
    const PlacedBox<T> box = place_box(p, r);
    BoxReach reach{box.level, static_cast<int32_t>(box.image), {0, -1}, {0, -1}};
    if (box.level >= 0) {
      reach.y = reach_of(box.y, p.size, p.sampling_ratio, p.heights[box.level]);
      reach.x = reach_of(box.x, p.size, p.sampling_ratio, p.widths[box.level]);
    }
    tiles.boxes[r] = reach;
  }
};

template <class T>
struct List {
  Tiles<T> tiles;
  MAPT_INLINE void operator()(int64_t image, int64_t tile) const {
    int level = 0;
    int64_t at = tile;
    while (at >= tiles.of_level(level)) at -= tiles.of_level(level++);
    const int64_t y = at / tiles.columns(level) * kTile, x = at % tiles.columns(level) * kTile;
    const int64_t slot = image * tiles.of_image() + tile;
    int32_t *list = tiles.lists + slot * tiles.p.count, used = 0;
    for (int64_t r = 0; r < tiles.p.count; ++r) {
      const BoxReach& box = tiles.boxes[r];
      if (box.level != level || box.image != image || box.y.last < y || box.y.first >= y + kTile) continue;
      if (box.x.last < x || box.x.first >= x + kTile) continue;
      list[used++] = static_cast<int32_t>(r);
    }
    tiles.counts[slot] = used;
  }
};

// A thread computes kGathered channels of a cell of a level.
template <class T>
struct Gather {
  Tiles<T> tiles;
  const T* grad_out;
  T* grad;
  int level;
  int64_t tiles_before;  // of smaller levels

  MAPT_INLINE void operator()(int64_t row, int64_t cell) const {
    const RoiAlign<T>& p = tiles.p;
    const int64_t chunks = ceil_div(p.channels, kGathered), image = row / chunks, channel = row % chunks * kGathered;
    const int64_t count = min<int64_t>(kGathered, p.channels - channel), width = p.widths[level];
    const int64_t y = cell / width, x = cell % width;
    const int64_t tile = image * tiles.of_image() + tiles_before + y / kTile * tiles.columns(level) + x / kTile;
    const int32_t* list = tiles.lists + tile * p.count;
    T sums[kGathered];
    MAPT_UNROLL for (int c = 0; c < kGathered; ++c) sums[c] = T(0);
    for (int32_t i = 0; i < tiles.counts[tile]; ++i) {
      const BoxReach& box = tiles.boxes[list[i]];
      if (y < box.y.first || y > box.y.last || x < box.x.first || x > box.x.last) continue;
      add(list[i], y, x, channel, count, sums);
    }
    const int64_t plane = p.heights[level] * width;
    T* out = grad + (image * p.channels + channel) * plane + cell;
    MAPT_UNROLL for (int c = 0; c < kGathered; ++c) {
      if (c < count) out[c * plane] = sums[c];
    }
  }

  MAPT_INLINE void add(int64_t r, int64_t y, int64_t x, int64_t channel, int64_t count, T (&sums)[kGathered]) const {
    const RoiAlign<T>& p = tiles.p;
    const int64_t bins = p.size * p.size;
    const PlacedBox<T> box = place_box(p, r);
    const T* from = grad_out + (r * p.channels + channel) * bins;
    for (int64_t by = 0; by < p.size; ++by) {
      const T of_y = cell_share(box.y, by, p.sampling_ratio, p.heights[level], y);
      if (of_y == T(0)) continue;
      for (int64_t bx = 0; bx < p.size; ++bx) {
        const T share = of_y * cell_share(box.x, bx, p.sampling_ratio, p.widths[level], x);
        if (share == T(0)) continue;
        MAPT_UNROLL for (int c = 0; c < kGathered; ++c) {
          if (c < count) sums[c] += share * from[c * bins + by * p.size + bx];
        }
      }
    }
  }
};

template <class T>
const char* gather(const RoiAlignGrad<T>& g, const Tiles<T>& tiles, Stream stream) {
  const RoiAlign<T>& p = g.forward;
  const char* error = launch(stream, 1, p.count, Measure<T>{tiles});
  error = first_error(error, launch(stream, p.batch, tiles.of_image(), List<T>{tiles}));
  int64_t before = 0;
  for (int level = 0; level < kLevels; before += tiles.of_level(level++)) {
    const int64_t rows = p.batch * ceil_div(p.channels, kGathered), cells = p.heights[level] * p.widths[level];
    error =
        first_error(error, launch(stream, rows, cells, Gather<T>{tiles, g.grad_out, g.grads[level], level, before}));
  }
  return error;
}

template <class T>
struct KernelOf<RoiAlignGrad<T>> {
  static Tiles<T> allocate(const RoiAlignGrad<T>& g, Arena& arena) {
    Tiles<T> tiles{g.forward, nullptr, nullptr, nullptr};
    const int64_t count = g.forward.batch * tiles.of_image();
    tiles.boxes = arena.take<BoxReach>(g.forward.count);
    tiles.counts = arena.take<int32_t>(count);
    tiles.lists = arena.take<int32_t>(count, g.forward.count);
    return tiles;
  }
  static const char* start(const RoiAlignGrad<T>& g, const Tiles<T>& tiles, Stream stream) {
    return gather(g, tiles, stream);
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_BACKWARD(roi_align_backward, RoiAlignGrad)

}  // namespace mapt
