// The collapsed motion step on a GPU.
#include "cuda/launch.cuh"
#include "operators/propagate/taps.h"

MAPT_BEGIN

constexpr int kMasks = 8;  // per thread
constexpr int kBins = kFeatureSize * kFeatureSize;

template <class T, class C>
struct Motion {
  Propagate<T, C> p;
  C* collapsed;     // (36): each tap's filters times the projection
  int32_t* rows;    // (count, height, 2): first and last nonzero column of a mask's row
  Extent* extents;  // (count)
  C* pooled;        // (count, 36, 49): the samples of each tap, averaged over the bins of the mask's box

  Motion(const Propagate<T, C>& p, Arena& arena) : p(p) {
    collapsed = arena.take<C>(kAllTaps);
    rows = arena.take<int32_t>(p.count, p.height, 2);
    extents = arena.take<Extent>(p.count);
    pooled = arena.take<C>(p.features ? p.count : 0, kAllTaps, kBins);
  }

  // The sampling point of tap i, one of all 36, at pixel (y, x).
  MAPT_INLINE Sample<C, int32_t> sample(int64_t i, int64_t y, int64_t x) const {
    const int64_t field = i / kFieldTaps, tap = i % kFieldTaps, pixels = p.height * p.width;
    const C* dy = p.offsets + 2 * i * pixels + y * p.width + x;
    return sample_at<C, C, int32_t>(static_cast<C>(y + tap_shift_y(field, tap)) + dy[0],
                                    static_cast<C>(x + tap_shift_x(field, tap)) + dy[pixels], p.height, p.width);
  }

  MAPT_INLINE C read(int64_t n, const Sample<C, int32_t>& s) const {
    return bilinear_at<C>(p.masks + n * p.height * p.width, s, p.height, p.width);
  }
};

template <class T, class C>
struct Collapse {
  Motion<T, C> m;
  MAPT_INLINE void operator()(int64_t, int64_t i) const {
    const Propagate<T, C>& p = m.p;
    C sum = 0;
    for (int64_t f = i / kFieldTaps * p.filters; f < (i / kFieldTaps + 1) * p.filters; ++f) {
      sum += static_cast<C>(p.projection[f]) * static_cast<C>(p.weights[f * kFieldTaps + i % kFieldTaps]);
    }
    m.collapsed[i] = sum;
  }
};

template <class T, class C>
struct MeasureRow {
  Motion<T, C> m;
  MAPT_INLINE void operator()(int64_t n, int64_t y) const {
    const T* row = m.p.masks + (n * m.p.height + y) * m.p.width;
    int32_t first = INT32_MAX, last = -1;
    for (int32_t x = 0; x < m.p.width; ++x) {
      if (static_cast<C>(row[x]) == C(0)) continue;
      first = min(first, x);
      last = x;
    }
    m.rows[(n * m.p.height + y) * 2] = first;
    m.rows[(n * m.p.height + y) * 2 + 1] = last;
  }
};

template <class T, class C>
struct MeasureMask {
  Motion<T, C> m;
  MAPT_INLINE void operator()(int64_t, int64_t n) const {
    Extent e{m.p.height, m.p.width, -1, -1};
    for (int64_t y = 0; y < m.p.height; ++y) {
      const int32_t* row = m.rows + (n * m.p.height + y) * 2;
      if (row[1] < 0) continue;
      e.y0 = min(e.y0, y), e.y1 = y;
      e.x0 = min<int64_t>(e.x0, row[0]), e.x1 = max<int64_t>(e.x1, row[1]);
    }
    m.extents[n] = e;
  }
};

// A thread computes kMasks masks at a pixel. They share each sampling point, and masks that are zero there are skipped.
template <class T, class C>
struct Logits {
  Motion<T, C> m;
  MAPT_INLINE void operator()(int64_t row, int64_t pixel) const {
    const Propagate<T, C>& p = m.p;
    const int64_t first = row * kMasks, y = static_cast<int32_t>(pixel) / static_cast<int32_t>(p.width);
    C sums[kMasks];
    MAPT_UNROLL for (int n = 0; n < kMasks; ++n) sums[n] = static_cast<C>(p.bias[0]);
    for (int64_t i = 0; i < kAllTaps; ++i) {
      const Sample<C, int32_t> s = m.sample(i, y, pixel - y * p.width);
      if (!s.inside) continue;
      MAPT_UNROLL for (int n = 0; n < kMasks; ++n) {
        if (first + n < p.count && m.extents[first + n].holds(s.y, s.x)) {
          sums[n] += m.collapsed[i] * m.read(first + n, s);
        }
      }
    }
    MAPT_UNROLL for (int n = 0; n < kMasks; ++n) {
      if (first + n < p.count) p.logits[(first + n) * p.height * p.width + pixel] = static_cast<T>(sums[n]);
    }
  }
};

// A thread averages a tap of a mask over a bin of its box.
template <class T, class C>
struct PoolTap {
  Motion<T, C> m;
  MAPT_INLINE void operator()(int64_t row, int64_t bin) const {
    const Propagate<T, C>& p = m.p;
    const int64_t n = row / kAllTaps, i = row % kAllTaps;
    const C* box = p.boxes + n * 4;
    const Extent extent = m.extents[n];
    const BoxSide<C> ys = box_side(box[1], box[3], kMaskStride, kFeatureSize);
    const BoxSide<C> xs = box_side(box[0], box[2], kMaskStride, kFeatureSize);
    C sum = 0;
    for (int k = 0; extent.y1 >= 0 && k < kFeatureRatio * kFeatureRatio; ++k) {
      const auto y = axis_sample(ys, bin / kFeatureSize, k / kFeatureRatio, kFeatureRatio, p.height);
      const auto x = axis_sample(xs, bin % kFeatureSize, k % kFeatureRatio, kFeatureRatio, p.width);
      for (int corner = 0; corner < 4; ++corner) {
        const C weight = (corner / 2 ? y.high_weight : y.low_weight) * (corner % 2 ? x.high_weight : x.low_weight);
        if (weight == C(0)) continue;
        const Sample<C, int32_t> s = m.sample(i, corner / 2 ? y.high : y.low, corner % 2 ? x.high : x.low);
        if (s.inside && extent.holds(s.y, s.x)) sum += weight * m.read(n, s);
      }
    }
    m.pooled[row * kBins + bin] = sum / static_cast<C>(kFeatureRatio * kFeatureRatio);
  }
};

template <class T, class C>
struct Features {
  Motion<T, C> m;
  MAPT_INLINE void operator()(int64_t row, int64_t bin) const {
    const int64_t width = kFields * m.p.filters, n = row / width, f = row % width, field = f / m.p.filters;
    const C* pooled = m.pooled + (n * kAllTaps + field * kFieldTaps) * kBins + bin;
    C sum = 0;
    for (int tap = 0; tap < kFieldTaps; ++tap) {
      sum += static_cast<C>(m.p.weights[f * kFieldTaps + tap]) * pooled[tap * kBins];
    }
    m.p.features[row * kBins + bin] = static_cast<T>(sum);
  }
};

template <class T, class C>
const char* propagate(const Motion<T, C>& m, Stream stream) {
  const Propagate<T, C>& p = m.p;
  const char* error = launch(stream, p.count, p.height, MeasureRow<T, C>{m});
  error = first_error(error, launch(stream, 1, p.count, MeasureMask<T, C>{m}));
  if (p.logits) {
    error = first_error(error, launch(stream, 1, kAllTaps, Collapse<T, C>{m}));
    error = first_error(error, launch(stream, ceil_div(p.count, kMasks), p.height * p.width, Logits<T, C>{m}));
  }
  if (p.features) {
    error = first_error(error, launch(stream, p.count * kAllTaps, kBins, PoolTap<T, C>{m}));
    error = first_error(error, launch(stream, p.count * kFields * p.filters, kBins, Features<T, C>{m}));
  }
  return error;
}

template <class T, class C>
struct KernelOf<Propagate<T, C>> {
  static Motion<T, C> allocate(const Propagate<T, C>& p, Arena& arena) { return {p, arena}; }
  static const char* start(const Propagate<T, C>&, const Motion<T, C>& motion, Stream stream) {
    return propagate(motion, stream);
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_FORWARD(propagate, Propagate)

}  // namespace mapt
