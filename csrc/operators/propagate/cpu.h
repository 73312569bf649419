// The collapsed motion step on the CPU: mask logits, and the propagated features inside each mask's box. Features of
// pixels outside the box are not computed.
#pragma once

#include "cpu/kernel.h"
#include "operators/propagate/cpu_logits.h"

MAPT_BEGIN

// --- Features inside the boxes: one mask after the other ---

template <class V>
Extent extent_of(const V* mask, int64_t height, int64_t width) {
  Extent e{height, width, -1, -1};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      if (!is_nonzero(mask[y * width + x])) continue;
      e.y0 = min(e.y0, y), e.y1 = max(e.y1, y);
      e.x0 = min(e.x0, x), e.x1 = max(e.x1, x);
    }
  }
  return e;
}

// The rows or columns of the map that the bins of a box read along one axis, and the share of each in each bin.
template <class T>
struct BoxAxis {
  static constexpr int kCells = kFeatureSize * kFeatureRatio * 2;
  int64_t cells[kCells];
  T share[kCells][kFeatureSize];
  int count = 0;

  BoxAxis(T low, T high, int64_t size) {
    const BoxSide<T> side = box_side(low, high, kMaskStride, kFeatureSize);
    for (int bin = 0; bin < kFeatureSize; ++bin) {
      for (int i = 0; i < kFeatureRatio; ++i) {
        const AxisSample<T> s = axis_sample(side, bin, i, kFeatureRatio, size);
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

template <class V, class T>
class BoxFeatures {
 public:
  explicit BoxFeatures(const Propagate<V, T>& p) : p_(p), sums_(kFields, p.filters, kBins) {}

  void run(int64_t n) {
    const int64_t count = kFields * p_.filters * kBins;
    for (int64_t i = 0; i < count; ++i) sums_[i] = 0;
    add(n);
    convert(sums_.get(), count, p_.features + n * count);
  }

 private:
  static constexpr int64_t lanes = kLanes<T>;
  static constexpr int64_t kWidth = (BoxAxis<T>::kCells + lanes - 1) / lanes * lanes;
  static constexpr int kBins = kFeatureSize * kFeatureSize;

  // Adds the features of a mask to the sums, [filter][bin].
  void add(int64_t n) {
    const T* box = p_.boxes + n * 4;
    const V* mask = p_.masks + n * p_.height * p_.width;
    const Extent extent = extent_of(mask, p_.height, p_.width);
    const BoxAxis<T> ys(box[1], box[3], p_.height), xs(box[0], box[2], p_.width);
    if (extent.y1 < 0 || ys.count == 0 || xs.count == 0) return;
    for (int64_t i = 0; i < kAllTaps; ++i) {
      T pooled[kBins];
      if (!pool_tap(mask, extent, ys, xs, i, pooled)) continue;
      const int64_t field = i / kFieldTaps, tap = i % kFieldTaps;
      for (int64_t f = field * p_.filters; f < (field + 1) * p_.filters; ++f) {
        const T weight = static_cast<T>(p_.weights[f * kFieldTaps + tap]);
        for (int b = 0; b < kBins; ++b) sums_[f * kBins + b] += weight * pooled[b];
      }
    }
  }

  // Averages the mask's samples at a tap over the box's bins. Returns false if they are all zero.
  bool pool_tap(const V* mask, const Extent& extent, const BoxAxis<T>& ys, const BoxAxis<T>& xs, int64_t i, T* pooled) {
    std::memset(pooled, 0, kBins * sizeof(T));
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

  bool sample_row(const V* mask, const Extent& extent, int64_t y, const BoxAxis<T>& xs, int64_t i, T* samples) {
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

  const Propagate<V, T>& p_;
  Scratch<T> sums_;
};

// Tells whether a mask is not empty. The inner loop has no exit, so it runs in vectors.
template <class V>
bool is_full(const V* mask, int64_t pixels) {
  constexpr int64_t step = 512;
  for (int64_t first = 0; first < pixels; first += step) {
    int any = 0;
    for (int64_t i = first; i < min(pixels, first + step); ++i) any |= is_nonzero(mask[i]);
    if (any) return true;
  }
  return false;
}

template <class V, class T>
void propagate(const Propagate<V, T>& p, const Parallel& parallel) {
  const int64_t pixels = p.height * p.width;
  if (p.count == 0) return;
  if (p.logits && pixels) {
    Scratch<int64_t> full(p.count);
    int64_t used = 0;
    for (int64_t n = 0; n < p.count; ++n) {
      if (is_full(p.masks + n * pixels, pixels)) {
        full[used++] = n;
      } else {
        for (int64_t i = 0; i < pixels; ++i) p.logits[n * pixels + i] = p.bias[0];
      }
    }
    for (int64_t i = 0; i < used; i += MaskLogits<V, T>::kMaxMasks) {
      MaskLogits<V, T>(p, full.get() + i, min(MaskLogits<V, T>::kMaxMasks, used - i), parallel).run(parallel);
    }
  }
  if (p.features) {
    parallel_for(parallel, p.count, [&p](int64_t begin, int64_t end) {
      BoxFeatures<V, T> features(p);
      for (int64_t n = begin; n < end; ++n) features.run(n);
    });
  }
}

MAPT_CPU_KERNEL(Propagate, propagate)
MAPT_CPU_KERNEL_OF_HALF(Propagate, propagate)

MAPT_END
