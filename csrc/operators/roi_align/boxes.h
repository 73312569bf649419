// The inputs of pooling by RoIAlign: cells and weights of every box's bins, and the levels in [cell][lane] order.
#pragma once

#include "common/values.h"
#include "operators/roi_align/cells.h"
#include "operators/roi_align/params.h"

MAPT_BEGIN

// A cell that a bin of one axis reads, and its share.
template <class T>
struct AxisEntry {
  int32_t cell;
  T weight;
};

// The cells and weights of every bin of each axis of each box. A bin has at most 2 * ratio cells. All bins of an axis
// that read any have equally many entries, so loops over them have predictable ends: if a bin reads fewer cells, it
// reads its last one several times.
template <class V, class T>
class Boxes {
 public:
  Boxes(const RoiAlign<V, T>& p, const Parallel& parallel)
      : p_(p),
        slots_(2 * p.sampling_ratio),
        order_(p.count),
        starts_(p.batch + 1),
        level_(p.count),
        counts_(p.count, 2),
        filled_(p.count, 2, p.size),
        reach_(p.count, 2),
        entries_(p.count, 2, p.size, slots_) {
    sort_by_image();
    parallel_for(parallel, p.count, [this](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) add(r);
    });
  }

  // The boxes of an image are order(begin(image)) ... order(begin(image + 1) - 1), in rising order.
  MAPT_INLINE int64_t begin(int64_t image) { return starts_[image]; }
  MAPT_INLINE int64_t order(int64_t i) { return order_[i]; }
  MAPT_INLINE int level(int64_t box) { return level_[box]; }
  // axis 0 is y, axis 1 is x.
  MAPT_INLINE int count(int64_t box, int axis) { return counts_[box * 2 + axis]; }
  // Tells whether a bin reads any cell.
  MAPT_INLINE bool is_filled(int64_t box, int axis, int64_t bin) { return filled_[(box * 2 + axis) * p_.size + bin]; }
  MAPT_INLINE const AxisEntry<T>* entries(int64_t box, int axis, int64_t bin) {
    return entries_.get() + ((box * 2 + axis) * p_.size + bin) * slots_;
  }
  // The first and the last cell that the bins read. If they read none, last < first.
  MAPT_INLINE Reach reach(int64_t box, int axis) { return reach_[box * 2 + axis]; }

 private:
  // Boxes of no image of the batch are in no list.
  void sort_by_image() {
    int64_t used = 0;
    for (int64_t image = 0; image < p_.batch; ++image) {
      starts_[image] = used;
      for (int64_t r = 0; r < p_.count; ++r) {
        if (p_.boxes[r * 5] == static_cast<T>(image)) order_[used++] = r;
      }
    }
    starts_[p_.batch] = used;
  }

  void add(int64_t r) {
    const T* box = p_.boxes + r * 5 + 1;
    const int level = level_of(box[0], box[1], box[2], box[3]);
    level_[r] = level;
    for (int axis = 0; axis < 2; ++axis) {
      const BoxSide<T> side = box_side(box[1 - axis], box[3 - axis], p_.strides[level], p_.size);
      const int64_t size = axis == 0 ? p_.heights[level] : p_.widths[level];
      int32_t used[kMaxBins], most = 0;
      Reach reach{INT32_MAX, -1};
      for (int64_t bin = 0; bin < p_.size; ++bin) {
        AxisEntry<T>* const entries = entries_.get() + ((r * 2 + axis) * p_.size + bin) * slots_;
        used[bin] = add_bin(entries, side, bin, size);
        most = max(most, used[bin]);
        for (int32_t i = 0; i < used[bin]; ++i) {
          reach.first = min(reach.first, entries[i].cell);
          reach.last = max(reach.last, entries[i].cell);
        }
      }
      for (int64_t bin = 0; bin < p_.size; ++bin) {
        fill(entries_.get() + ((r * 2 + axis) * p_.size + bin) * slots_, used[bin], most);
        filled_[(r * 2 + axis) * p_.size + bin] = used[bin] > 0;
      }
      counts_[r * 2 + axis] = most;
      reach_[r * 2 + axis] = reach;
    }
  }

  // Returns the number of cells.
  int32_t add_bin(AxisEntry<T>* entries, BoxSide<T> side, int64_t bin, int64_t size) {
    int32_t used = 0;
    const T share = T(1) / static_cast<T>(p_.sampling_ratio);
    const auto put = [&](int32_t cell, T weight) {
      if (weight == T(0)) return;
      for (int32_t i = 0; i < used; ++i) {
        if (entries[i].cell == cell) {
          entries[i].weight += weight * share;
          return;
        }
      }
      entries[used++] = {cell, weight * share};
    };
    for (int64_t i = 0; i < p_.sampling_ratio; ++i) {
      const AxisSample<T> s = axis_sample(side, bin, i, p_.sampling_ratio, size);
      put(s.low, s.low_weight);
      put(s.high, s.high_weight);
    }
    return used;
  }

  // Divides the last entry until there are `count`. The weights stay positive, so infinite features stay infinite.
  static void fill(AxisEntry<T>* entries, int32_t used, int32_t count) {
    if (used == 0) return;
    for (; used < count; ++used) {
      entries[used - 1].weight *= T(0.5);
      entries[used] = entries[used - 1];
    }
  }

  const RoiAlign<V, T>& p_;
  const int64_t slots_;
  Scratch<int64_t> order_, starts_;
  Scratch<int32_t> level_, counts_;
  Scratch<unsigned char> filled_;
  Scratch<Reach> reach_;
  Scratch<AxisEntry<T>> entries_;
};

// The levels of an image and a group of channels as [level][row][column][lane]. Only the segments of kLanes columns
// that a box may read are filled.
template <class V, class T>
class Slices {
 public:
  explicit Slices(const RoiAlign<V, T>& p) : p_(p), cells_(total_cells(p), lanes), marks_(total_marks(p)) {}

  MAPT_INLINE T* level(int level) { return cells_.get() + cell_offset(level) * lanes; }
  MAPT_INLINE int64_t width(int level) { return p_.widths[level]; }

  // Marks the segments that the boxes first ... last - 1 of the list read.
  void mark(Boxes<V, T>& boxes, int64_t first, int64_t last) {
    std::memset(marks_.get(), 0, total_marks(p_));
    for (int64_t i = first; i < last; ++i) {
      const int64_t box = boxes.order(i);
      const Reach ys = boxes.reach(box, 0), xs = boxes.reach(box, 1);
      if (ys.last < ys.first || xs.last < xs.first) continue;
      const int level = boxes.level(box);
      for (int64_t y = ys.first; y <= ys.last; ++y) {
        std::memset(segment(level, y, xs.first / lanes), 1, xs.last / lanes - xs.first / lanes + 1);
      }
    }
  }

  // Reads the marked segments of channels first_channel ... of an image.
  void read(int64_t image, int64_t first_channel) {
    each_segment([&](int level, int64_t y, int64_t x, int64_t columns) {
      if (!*segment(level, y, x / lanes)) return;
      const int64_t pixels = p_.heights[level] * p_.widths[level];
      const int64_t used = min(lanes, p_.channels - first_channel);
      const V* plane = p_.features[level] + (image * p_.channels + first_channel) * pixels + y * p_.widths[level] + x;
      Vec<T> square[lanes];
      for (int64_t c = 0; c < lanes; ++c) square[c] = c < used ? load_values(plane + c * pixels, columns) : Vec<T>{};
      transpose<T>(square);
      T* cells = this->level(level) + (y * p_.widths[level] + x) * lanes;
      for (int64_t i = 0; i < columns; ++i) store(cells + i * lanes, square[i]);
    });
  }

  void clear() {
    each_segment([&](int level, int64_t y, int64_t x, int64_t columns) {
      if (!*segment(level, y, x / lanes)) return;
      T* cells = this->level(level) + (y * p_.widths[level] + x) * lanes;
      for (int64_t i = 0; i < columns; ++i) store(cells + i * lanes, Vec<T>{});
    });
  }

  // Writes every cell of the channels' planes, zeros where nothing is marked.
  void write(T* const* grads, int64_t image, int64_t first_channel) {
    each_segment([&](int level, int64_t y, int64_t x, int64_t columns) {
      const int64_t pixels = p_.heights[level] * p_.widths[level];
      const int64_t used = min(lanes, p_.channels - first_channel);
      T* plane = grads[level] + (image * p_.channels + first_channel) * pixels + y * p_.widths[level] + x;
      Vec<T> square[lanes] = {};
      if (*segment(level, y, x / lanes)) {
        const T* cells = this->level(level) + (y * p_.widths[level] + x) * lanes;
        for (int64_t i = 0; i < columns; ++i) square[i] = load(cells + i * lanes);
        transpose<T>(square);
      }
      for (int64_t c = 0; c < used; ++c) store(plane + c * pixels, square[c], columns);
    });
  }

 private:
  static constexpr int64_t lanes = kLanes<T>;

  static int64_t total_cells(const RoiAlign<V, T>& p) {
    int64_t total = 0;
    for (int l = 0; l < kLevels; ++l) total += p.heights[l] * p.widths[l];
    return total;
  }
  static int64_t total_marks(const RoiAlign<V, T>& p) {
    int64_t total = 0;
    for (int l = 0; l < kLevels; ++l) total += p.heights[l] * ceil_div(p.widths[l], lanes);
    return total;
  }
  MAPT_INLINE int64_t cell_offset(int level) {
    int64_t offset = 0;
    for (int l = 0; l < level; ++l) offset += p_.heights[l] * p_.widths[l];
    return offset;
  }
  MAPT_INLINE unsigned char* segment(int level, int64_t y, int64_t i) {
    int64_t offset = 0;
    for (int l = 0; l < level; ++l) offset += p_.heights[l] * ceil_div(p_.widths[l], lanes);
    return marks_.get() + offset + y * ceil_div(p_.widths[level], lanes) + i;
  }

  template <class F>
  MAPT_INLINE void each_segment(const F& visit) {
    for (int l = 0; l < kLevels; ++l) {
      for (int64_t y = 0; y < p_.heights[l]; ++y) {
        for (int64_t x = 0; x < p_.widths[l]; x += lanes) visit(l, y, x, min(lanes, p_.widths[l] - x));
      }
    }
  }

  const RoiAlign<V, T>& p_;
  Scratch<T> cells_;
  Scratch<unsigned char> marks_;
};

MAPT_END
