// The forward pass of RoIAlign over the pyramid on a GPU. Features have channels as their last axis, or are copied to
// that order once, so that the cells of a sample are vectors of channels. For few boxes, a copy would cost more than it
// saves.
#include "cuda/multiply.cuh"
#include "operators/roi_align/cells.h"

MAPT_BEGIN

// A thread computes kPooled channels of a bin of a box, whose cells and weights are computed once.
constexpr int kPooled = 16;

template <class T, class C>
struct Pool {
  RoiAlign<T, C> p;

  MAPT_INLINE void operator()(int64_t row, int64_t column) const {
    const int64_t bins = p.size * p.size, box = column / bins, bin = column % bins, channel = row * kPooled;
    const int64_t count = min<int64_t>(kPooled, p.channels - channel);
    C sums[kPooled];
    MAPT_UNROLL for (int c = 0; c < kPooled; ++c) sums[c] = C(0);
    const PlacedBox<C> placed = place_box(p, box);
    if (placed.level >= 0) add(placed, bin / p.size, bin % p.size, channel, count, sums);
    T* out = p.out + (box * p.channels + channel) * bins + bin;
    const C share = C(1) / static_cast<C>(p.sampling_ratio * p.sampling_ratio);
    MAPT_UNROLL for (int c = 0; c < kPooled; ++c) {
      if (c < count) out[c * bins] = static_cast<T>(sums[c] * share);
    }
  }

  MAPT_INLINE void add(const PlacedBox<C>& box, int64_t bin_y, int64_t bin_x, int64_t channel, int64_t count,
                       C (&sums)[kPooled]) const {
    const int64_t height = p.heights[box.level], width = p.widths[box.level], plane = height * width;
    const T* map = p.features[box.level] + (box.image * p.channels + channel) * plane;
    for (int64_t i = 0; i < p.sampling_ratio; ++i) {
      const AxisSample<C> y = axis_sample(box.y, bin_y, i, p.sampling_ratio, height);
      for (int64_t k = 0; k < p.sampling_ratio; ++k) {
        const AxisSample<C> x = axis_sample(box.x, bin_x, k, p.sampling_ratio, width);
        const T *upper = map + y.low * width, *lower = map + y.high * width;
        MAPT_UNROLL for (int c = 0; c < kPooled; ++c) {
          if (c >= count) break;
          const T *above = upper + c * plane, *below = lower + c * plane;
          sums[c] += y.low_weight *
                         (x.low_weight * static_cast<C>(above[x.low]) + x.high_weight * static_cast<C>(above[x.high])) +
                     y.high_weight *
                         (x.low_weight * static_cast<C>(below[x.low]) + x.high_weight * static_cast<C>(below[x.high]));
        }
      }
    }
  }
};

// Feature maps (batch, heights[l], widths[l], width) of a pyramid `p`.
template <class T, class C>
struct Levels {
  RoiAlign<T, C> p;
  T* copies[kLevels];  // null: the features themselves

  // The channels in whole vectors. Those behind the last are zero.
  MAPT_INLINE int width() const { return static_cast<int>(round_up(p.channels, kVector<T>)); }
  MAPT_INLINE int64_t cells(int level) const { return p.heights[level] * p.widths[level]; }
  MAPT_INLINE const T* level(int i) const { return copies[i] ? copies[i] : p.features[i]; }
};

// Copies the levels with channels as the last axis, through squares of shared memory.
template <class T, class C>
struct TurnLevels {
  static constexpr int kThreads = 256, kBlocks = 4, kSide = 32;
  struct Shared {
    T square[kSide][kSide + 1];
  };

  Levels<T, C> to;

  MAPT_INLINE int64_t groups() const { return ceil_div(to.width(), kSide); }
  MAPT_INLINE int64_t squares(int level) const { return ceil_div(to.cells(level), kSide) * groups(); }
  int64_t blocks() const { return to.p.batch * (squares(0) + squares(1) + squares(2) + squares(3)); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    int level = 0;
    for (; level < kLevels - 1 && block >= to.p.batch * squares(level); ++level) block -= to.p.batch * squares(level);
    const T* from = to.p.features[0];
    T* out = to.copies[0];
    MAPT_UNROLL for (int l = 1; l < kLevels; ++l) {
      if (l == level) from = to.p.features[l], out = to.copies[l];
    }
    const int64_t n = block / squares(level), square = block % squares(level), cells = to.cells(level);
    const int64_t cell = square / groups() * kSide, channel = square % groups() * kSide;
    const int line = thread() / kSide, at = thread() % kSide;
    from += (n * to.p.channels + channel) * cells + cell + at;
    for (int c = line; c < kSide; c += kThreads / kSide) {
      const bool known = cell + at < cells && channel + c < to.p.channels;
      shared.square[c][at] = known ? from[c * cells] : T(0.F);
    }
    __syncthreads();
    out += (n * cells + cell) * to.width() + channel + at;
    for (int i = line; i < kSide; i += kThreads / kSide) {
      if (cell + i < cells && channel + at < to.width()) out[i * to.width()] = shared.square[at][i];
    }
  }
};

// A block pools kChannels channels of up to kBins bins of a box. A thread adds a vector of channels, and results leave
// through shared memory, in the order of the output. RATIO 0 is any sampling ratio.
template <class T, class C, int RATIO>
struct PoolVectors {
  static constexpr int kThreads = 128, kBlocks = 5, kChannels = 64, kBins = 49, kTable = 64;
  static constexpr int kLanes = kChannels / kVector<T>;
  struct Shared {
    AxisSample<C> y[kTable], x[kTable];
    T out[kChannels][kBins];
  };

  Levels<T, C> levels;

  MAPT_INLINE int64_t groups() const { return ceil_div(levels.p.channels, kChannels); }
  MAPT_INLINE int64_t chunks() const { return ceil_div(levels.p.size * levels.p.size, kBins); }
  int64_t blocks() const { return levels.p.count * chunks() * groups(); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    const RoiAlign<T, C>& p = levels.p;
    const int64_t group = block % groups(), chunk = block / groups() % chunks(), r = block / groups() / chunks();
    const int64_t all = p.size * p.size, first = chunk * kBins, count = min<int64_t>(kBins, all - first);
    const PlacedBox<C> box = place_box(p, r);
    if (box.level >= 0) fill_tables(shared, box);
    __syncthreads();
    const int64_t channel = group * kChannels;
    const int lane = thread() % kLanes * kVector<T>;
    for (int bin = thread() / kLanes; bin < count; bin += kThreads / kLanes) {
      C sums[kVector<T>];
      MAPT_UNROLL for (int c = 0; c < kVector<T>; ++c) sums[c] = C(0);
      if (box.level >= 0 && channel + lane < levels.width()) add(shared, box, first + bin, channel + lane, sums);
      const C share = C(1) / static_cast<C>(ratio() * ratio());
      MAPT_UNROLL for (int c = 0; c < kVector<T>; ++c) shared.out[lane + c][bin] = static_cast<T>(sums[c] * share);
    }
    __syncthreads();
    for (int i = thread(); i < kChannels * count; i += kThreads) {
      const int64_t c = i / count, bin = i - c * count;
      if (channel + c < p.channels) p.out[(r * p.channels + channel + c) * all + first + bin] = shared.out[c][bin];
    }
  }

 private:
  MAPT_DEVICE int ratio() const { return RATIO ? RATIO : static_cast<int>(levels.p.sampling_ratio); }

  MAPT_DEVICE AxisSample<C> sample(const BoxSide<C>& side, int64_t i, int64_t size) const {
    return axis_sample(side, i / ratio(), i % ratio(), ratio(), size);
  }

  MAPT_DEVICE void fill_tables(Shared& shared, const PlacedBox<C>& box) const {
    const int64_t i = thread() % kTable, samples = levels.p.size * ratio();
    if (i >= samples) return;
    if (thread() < kTable) {
      shared.y[i] = sample(box.y, i, levels.p.heights[box.level]);
    } else if (thread() < 2 * kTable) {
      shared.x[i] = sample(box.x, i, levels.p.widths[box.level]);
    }
  }

  MAPT_DEVICE void add(const Shared& shared, const PlacedBox<C>& box, int64_t bin, int64_t channel,
                       C (&sums)[kVector<T>]) const {
    const RoiAlign<T, C>& p = levels.p;
    const int64_t height = p.heights[box.level], width = p.widths[box.level];
    const int64_t first_y = bin / p.size * ratio(), first_x = bin % p.size * ratio();
    const T* map = levels.level(box.level) + box.image * height * width * levels.width() + channel;
    const auto load = [map, this](int64_t cell) {
      return *reinterpret_cast<const Vector<T>*>(map + cell * levels.width());
    };
    MAPT_UNROLL_BY(1) for (int i = 0; i < ratio(); ++i) {
      const AxisSample<C> y = first_y + i < kTable ? shared.y[first_y + i] : sample(box.y, first_y + i, height);
      MAPT_UNROLL for (int k = 0; k < ratio(); ++k) {
        const AxisSample<C> x = first_x + k < kTable ? shared.x[first_x + k] : sample(box.x, first_x + k, width);
        const Vector<T> c00 = load(y.low * width + x.low), c01 = load(y.low * width + x.high);
        const Vector<T> c10 = load(y.high * width + x.low), c11 = load(y.high * width + x.high);
        MAPT_UNROLL for (int c = 0; c < kVector<T>; ++c) {
          sums[c] +=
              y.low_weight * (x.low_weight * static_cast<C>(c00.at[c]) + x.high_weight * static_cast<C>(c01.at[c])) +
              y.high_weight * (x.low_weight * static_cast<C>(c10.at[c]) + x.high_weight * static_cast<C>(c11.at[c]));
        }
      }
    }
  }
};

template <class T, class C>
struct KernelOf<RoiAlign<T, C>> {
  // Decides by sizes alone: few boxes read fewer cells than a copy.
  static bool is_direct(const RoiAlign<T, C>& p) {
    int64_t cells = 0;
    for (int l = 0; l < kLevels; ++l) cells += p.batch * p.heights[l] * p.widths[l];
    return !p.channels_last && p.count * p.size * p.size * p.sampling_ratio * p.sampling_ratio < cells;
  }

  static Levels<T, C> allocate(const RoiAlign<T, C>& p, Arena& arena) {
    Levels<T, C> levels{p, {}};
    for (int l = 0; l < kLevels && !p.channels_last && !is_direct(p); ++l) {
      levels.copies[l] = arena.take<T>(p.batch, levels.cells(l), levels.width());
    }
    return levels;
  }

  static const char* start(const RoiAlign<T, C>& p, const Levels<T, C>& levels, Stream stream) {
    if (is_direct(p)) {
      return launch(stream, ceil_div(p.channels, kPooled), p.count * p.size * p.size, Pool<T, C>{p});
    }
    const char* error = nullptr;
    if (!p.channels_last) {
      const TurnLevels<T, C> turn{levels};
      error = launch_blocks(stream, turn.blocks(), turn);
    }
    return first_error(error, p.sampling_ratio == 2 ? pool<2>(levels, stream) : pool<0>(levels, stream));
  }

 private:
  template <int RATIO>
  static const char* pool(const Levels<T, C>& levels, Stream stream) {
    const PoolVectors<T, C, RATIO> kernel{levels};
    return launch_blocks(stream, kernel.blocks(), kernel);
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_FORWARD(roi_align, RoiAlign)

}  // namespace mapt
