// The collapsed motion step on the CPU, forward: mask logits from 36 samples a pixel, and the propagated features
// inside each mask's box, without the propagated features of any pixel outside it.
#pragma once

#include "pixel_block.h"

MAPT_BEGIN

constexpr int64_t kAllTaps = kFields * kFieldTaps;

// Where the tap of a field samples for output pixel (0, 0) and offset zero.
MAPT_INLINE int64_t tap_shift_y(int64_t field, int64_t tap) { return (tap / 3 - 1) * kDilations[field]; }
MAPT_INLINE int64_t tap_shift_x(int64_t field, int64_t tap) { return (tap % 3 - 1) * kDilations[field]; }

// --- Mask logits: kLanes masks at once ---

// Which groups of kLanes masks hold anything in the four cells that a sample at a cell reads: bit g for group g.
template <class T>
class Occupancy {
 public:
  Occupancy(const T* cells, int64_t groups, Border border) : near_(border.cells()) {
    const int64_t count = border.cells(), pitch = border.pitch();
    Scratch<uint32_t> here(count + pitch + 1);
    for (int64_t i = 0; i < count + pitch + 1; ++i) {
      here[i] = 0;
      for (int64_t g = 0; g < groups && i < count; ++g) here[i] |= holds(cells + (g * count + i) * kLanes<T>) << g;
    }
    for (int64_t i = 0; i < count; ++i) near_[i] = here[i] | here[i + 1] | here[i + pitch] | here[i + pitch + 1];
  }

  MAPT_INLINE uint32_t near(int64_t cell) const { return near_.get()[cell]; }

 private:
  static MAPT_INLINE uint32_t holds(const T* cell) {
    const auto full = load(cell) != Vec<T>{};
    uint64_t words[MAPT_VECTOR_BYTES / 8], any = 0;
    __builtin_memcpy(words, &full, sizeof(words));
    for (const uint64_t word : words) any |= word;
    return any != 0;
  }

  Scratch<uint32_t> near_;
};

// The samples of kLanes neighbouring pixels at one tap, their weights times the tap's filter.
template <class T>
struct TapSamples {
  Int<T> index[kLanes<T>];
  T w00[kLanes<T>], w01[kLanes<T>], w10[kLanes<T>], w11[kLanes<T>];
  uint32_t groups;  // which groups they touch
};

template <class T>
class MaskLogits {
 public:
  static constexpr int64_t kMost = 32 * kLanes<T>;  // masks at once

  // `masks`: indices of the masks that hold anything, `count` of them.
  MaskLogits(const Propagate<T>& p, const int64_t* masks, int64_t count, const Parallel& parallel)
      : p_(p),
        masks_(masks),
        count_(count),
        border_{p.height, p.width},
        groups_(divide_up(count, lanes)),
        cells_(groups_ * border_.cells() * lanes) {
    pack(parallel);
    for (int64_t field = 0; field < kFields; ++field) {
      for (int64_t tap = 0; tap < kFieldTaps; ++tap) {
        T weight = 0;
        for (int64_t f = field * p.filters; f < (field + 1) * p.filters; ++f) {
          weight += p.projection[f] * p.weights[f * kFieldTaps + tap];
        }
        weights_[field * kFieldTaps + tap] = weight;
      }
    }
  }

  void run(const Parallel& parallel) {
    const Occupancy<T> occupied(cells_.get(), groups_, border_);
    parallel_for(parallel, divide_up(p_.height * p_.width, lanes), [this, &occupied](int64_t begin, int64_t end) {
      TapSamples<T> samples[kAllTaps];
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * lanes;
        const int used = locate(first, occupied, samples);
        for (int64_t group = 0; group < groups_; ++group) {
          const TapSamples<T>* of_group[kAllTaps];
          int count = 0;
          for (int k = 0; k < used; ++k) {
            if (samples[k].groups >> group & 1) of_group[count++] = samples + k;
          }
          add(group, first, of_group, count);
        }
      }
    });
  }

 private:
  static constexpr int64_t lanes = kLanes<T>;

  void pack(const Parallel& parallel) {
    const int64_t pixels = p_.height * p_.width, group_step = border_.cells() * lanes;
    if (masks_[count_ - 1] - masks_[0] == count_ - 1) {  // no empty one in between
      to_lanes(p_.masks + masks_[0] * pixels, count_, border_, cells_.get(), lanes, group_step, parallel);
      return;
    }
    Scratch<T> packed(count_ * pixels);
    for (int64_t i = 0; i < count_; ++i) {
      std::memcpy(packed.get() + i * pixels, p_.masks + masks_[i] * pixels, pixels * sizeof(T));
    }
    to_lanes(packed.get(), count_, border_, cells_.get(), lanes, group_step, parallel);
  }

  // The taps at which any of the pixels first ... first + kLanes - 1 reads anything.
  int locate(int64_t first, const Occupancy<T>& occupied, TapSamples<T>* samples) {
    const int64_t pixels = p_.height * p_.width, left = pixels - first;
    T ys[lanes], xs[lanes];
    int64_t y = first / p_.width, x = first % p_.width;
    for (int64_t i = 0; i < lanes; ++i) {
      ys[i] = i < left ? static_cast<T>(y) : T(-1e9);
      xs[i] = static_cast<T>(x);
      if (++x == p_.width) x = 0, ++y;
    }
    const Vec<T> base_y = load(ys), base_x = load(xs);
    int used = 0;
    for (int64_t i = 0; i < kAllTaps; ++i) {
      const int64_t field = i / kFieldTaps, tap = i % kFieldTaps;
      const T* dy = p_.offsets + 2 * i * pixels + first;
      const auto s = sample_at<T, Vec<T>, Vec<Int<T>>>(
          base_y + static_cast<T>(tap_shift_y(field, tap)) + load(dy, left),
          base_x + static_cast<T>(tap_shift_x(field, tap)) + load(dy + pixels, left), p_.height, p_.width);
      used += place(s, occupied, weights_[i], samples[used]);
    }
    return used;
  }

  MAPT_INLINE bool place(const Sample<Vec<T>, Vec<Int<T>>>& s, const Occupancy<T>& occupied, T weight,
                         TapSamples<T>& out) {
    const Int<T> pitch = static_cast<Int<T>>(border_.pitch()), outside = static_cast<Int<T>>(border_.outside());
    const Vec<Int<T>> cell = (s.y + 1) * pitch + (s.x + 1);
    store(out.index, s.inside ? cell : Vec<Int<T>>{} + outside);
    out.groups = 0;
    for (int64_t i = 0; i < lanes; ++i) out.groups |= occupied.near(out.index[i]);
    if (out.groups == 0) return false;
    const Vec<T> hy = (T(1) - s.ly) * weight, ly = s.ly * weight, hx = T(1) - s.lx;
    store(out.w00, hy * hx);
    store(out.w01, hy * s.lx);
    store(out.w10, ly * hx);
    store(out.w11, ly * s.lx);
    return true;
  }

  MAPT_INLINE void add(int64_t group, int64_t first, const TapSamples<T>* const* samples, int used) {
    const int64_t pixels = p_.height * p_.width, below = border_.pitch() * lanes;
    const T* cells = cells_.get() + group * border_.cells() * lanes;
    Vec<T> logits[lanes];
    for (int64_t i = 0; i < lanes; ++i) {
      Vec<T> s00{}, s01{}, s10{}, s11{};
      for (int k = 0; k < used; ++k) {
        const TapSamples<T>& s = *samples[k];
        const T* cell = cells + s.index[i] * lanes;
        s00 += s.w00[i] * load(cell);
        s01 += s.w01[i] * load(cell + lanes);
        s10 += s.w10[i] * load(cell + below);
        s11 += s.w11[i] * load(cell + below + lanes);
      }
      logits[i] = p_.bias[0] + ((s00 + s01) + (s10 + s11));
    }
    transpose<T>(logits);
    for (int64_t n = group * lanes; n < smaller(count_, (group + 1) * lanes); ++n) {
      store(p_.logits + masks_[n] * pixels + first, logits[n - group * lanes], pixels - first);
    }
  }

  const Propagate<T>& p_;
  const int64_t* masks_;
  const int64_t count_;
  const Border border_;
  const int64_t groups_;
  Scratch<T> cells_;
  T weights_[kAllTaps];
};

// --- Features inside the boxes: one mask after the other ---

// The part of a mask that holds anything.
struct Extent {
  int64_t y0, x0, y1, x1;  // ends included; y1 < y0: nothing
};

template <class T>
Extent extent_of(const T* mask, int64_t height, int64_t width) {
  Extent e{height, width, -1, -1};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      if (mask[y * width + x] == T(0)) continue;
      e.y0 = smaller(e.y0, y), e.y1 = larger(e.y1, y);
      e.x0 = smaller(e.x0, x), e.x1 = larger(e.x1, x);
    }
  }
  return e;
}

// The rows or columns of the map that one axis of a box's bins reads, and each bin's share of each of them.
template <class T>
struct BoxAxis {
  static constexpr int kCells = kFeatureSize * kFeatureRatio * 2;
  int64_t cells[kCells];
  T share[kCells][kFeatureSize];
  int count = 0;

  BoxAxis(T low, T high, int64_t size) {
    const T scale = T(1) / T(kMaskStride), start = low * scale - T(0.5), end = high * scale - T(0.5);
    const T step = (end - start) / T(kFeatureSize);
    for (int bin = 0; bin < kFeatureSize; ++bin) {
      for (int i = 0; i < kFeatureRatio; ++i) {
        const AxisSample<T> s = axis_sample(start, step, bin, i, kFeatureRatio, size);
        add(bin, s.low, s.low_weight);
        add(bin, s.high, s.high_weight);
      }
    }
  }

  void add(int bin, int64_t cell, T weight) {
    if (weight == T(0)) return;
    int at = count - 1;
    while (at >= 0 && cells[at] != cell) --at;
    if (at < 0) {
      at = count++;
      cells[at] = cell;
      for (T& s : share[at]) s = 0;
    }
    share[at][bin] += weight / T(kFeatureRatio);
  }
};

template <class T>
class BoxFeatures {
 public:
  explicit BoxFeatures(const Propagate<T>& p) : p_(p) {}

  void run(int64_t n) {
    constexpr int bins = kFeatureSize * kFeatureSize;
    const T *box = p_.boxes + n * 4, *mask = p_.masks + n * p_.height * p_.width;
    T* out = p_.features + n * kFields * p_.filters * bins;
    std::memset(out, 0, kFields * p_.filters * bins * sizeof(T));
    const Extent extent = extent_of(mask, p_.height, p_.width);
    const BoxAxis<T> ys(box[1], box[3], p_.height), xs(box[0], box[2], p_.width);
    if (extent.y1 < 0 || ys.count == 0 || xs.count == 0) return;
    for (int64_t i = 0; i < kAllTaps; ++i) {
      T pooled[bins];
      if (!pool_tap(mask, extent, ys, xs, i, pooled)) continue;
      const int64_t field = i / kFieldTaps, tap = i % kFieldTaps;
      for (int64_t f = field * p_.filters; f < (field + 1) * p_.filters; ++f) {
        const T weight = p_.weights[f * kFieldTaps + tap];
        for (int b = 0; b < bins; ++b) out[f * bins + b] += weight * pooled[b];
      }
    }
  }

 private:
  static constexpr int64_t lanes = kLanes<T>;
  static constexpr int64_t kWidth = (BoxAxis<T>::kCells + lanes - 1) / lanes * lanes;

  // The mask's samples at one tap, averaged over the box's bins; false: they are all zero.
  bool pool_tap(const T* mask, const Extent& extent, const BoxAxis<T>& ys, const BoxAxis<T>& xs, int64_t i, T* pooled) {
    std::memset(pooled, 0, kFeatureSize * kFeatureSize * sizeof(T));
    bool some = false;
    for (int r = 0; r < ys.count; ++r) {
      T samples[kWidth];
      if (!sample_row(mask, extent, ys.cells[r], xs, i, samples)) continue;
      some = true;
      T row[kFeatureSize] = {};
      for (int c = 0; c < xs.count; ++c) {
        for (int b = 0; b < kFeatureSize; ++b) row[b] += xs.share[c][b] * samples[c];
      }
      for (int by = 0; by < kFeatureSize; ++by) {
        if (ys.share[r][by] == T(0)) continue;
        for (int bx = 0; bx < kFeatureSize; ++bx) pooled[by * kFeatureSize + bx] += ys.share[r][by] * row[bx];
      }
    }
    return some;
  }

  bool sample_row(const T* mask, const Extent& extent, int64_t y, const BoxAxis<T>& xs, int64_t i, T* samples) {
    const int64_t pixels = p_.height * p_.width, field = i / kFieldTaps, tap = i % kFieldTaps;
    const T* dy = p_.offsets + 2 * i * pixels + y * p_.width;
    const T shift_y = static_cast<T>(y + tap_shift_y(field, tap)), shift_x = static_cast<T>(tap_shift_x(field, tap));
    T at_y[kWidth] = {}, at_x[kWidth] = {};
    for (int c = 0; c < xs.count; ++c) {
      at_y[c] = shift_y + dy[xs.cells[c]];
      at_x[c] = static_cast<T>(xs.cells[c]) + shift_x + dy[pixels + xs.cells[c]];
    }
    using I = Int<T>;
    const I low_y = static_cast<I>(extent.y0 - 1), high_y = static_cast<I>(extent.y1);
    const I low_x = static_cast<I>(extent.x0 - 1), high_x = static_cast<I>(extent.x1);
    bool some = false;
    for (int c = 0; c < xs.count; c += lanes) {
      const auto s = sample_at<T, Vec<T>, Vec<I>>(load(at_y + c), load(at_x + c), p_.height, p_.width);
      const Vec<I> near = s.inside & (s.y >= low_y) & (s.y <= high_y) & (s.x >= low_x) & (s.x <= high_x);
      for (int i = 0; i < lanes; ++i) {
        samples[c + i] = 0;
        if (!near[i] || c + i >= xs.count) continue;
        samples[c + i] = bilinear_at(mask, Sample<T, I>{s.y[i], s.x[i], s.ly[i], s.lx[i], 1}, p_.height, p_.width);
        some = true;
      }
    }
    return some;
  }

  const Propagate<T>& p_;
};

template <class T>
void propagate(const Propagate<T>& p, const Parallel& parallel) {
  const int64_t pixels = p.height * p.width;
  if (p.count == 0) return;
  if (p.logits && pixels) {
    Scratch<int64_t> full(p.count);
    int64_t used = 0;
    for (int64_t n = 0; n < p.count; ++n) {
      const T* mask = p.masks + n * pixels;
      int64_t i = 0;
      while (i < pixels && mask[i] == T(0)) ++i;
      if (i < pixels) {
        full[used++] = n;
      } else {
        for (i = 0; i < pixels; ++i) p.logits[n * pixels + i] = p.bias[0];
      }
    }
    for (int64_t i = 0; i < used; i += MaskLogits<T>::kMost) {
      MaskLogits<T>(p, full.get() + i, smaller(MaskLogits<T>::kMost, used - i), parallel).run(parallel);
    }
  }
  if (p.features) {
    parallel_for(parallel, p.count, [&p](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) BoxFeatures<T>(p).run(n);
    });
  }
}

MAPT_END
