// The collapsed motion step on a GPU: two launches. The first measures the masks, and the second moves them.
#include "cuda/block.cuh"
#include "operators/propagate/taps.h"

MAPT_BEGIN

constexpr int kMasks = 4;    // of a block that computes logits
constexpr int kPixels = 64;  // of such a block, which has a thread for each pixel and field
constexpr int kSamples = kFeatureRatio * kFeatureRatio;

template <class T, class C>
struct Motion {
  Propagate<T, C> p;
  C* collapsed;     // (36): each tap's filters times the projection
  Extent* extents;  // (count)

  Motion(const Propagate<T, C>& p, Arena& arena) : p(p) {
    collapsed = arena.take<C>(kAllTaps);
    extents = arena.take<Extent>(p.count);
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

// A block measures a mask. The last block multiplies the filters of each tap with the projection, for the logits.
template <class T, class C>
struct Measure {
  static constexpr int kThreads = 256, kBlocks = 4;
  struct Shared {
    int32_t y0[kThreads], x0[kThreads], y1[kThreads], x1[kThreads];
  };

  Motion<T, C> m;

  int64_t blocks() const { return m.p.count + (m.p.logits != nullptr); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t n) const {
    if (n == m.p.count) {
      if (thread() < kAllTaps) collapse(thread());
      return;
    }
    const int32_t width = static_cast<int32_t>(m.p.width), pixels = static_cast<int32_t>(m.p.height) * width;
    const T* mask = m.p.masks + n * pixels;
    int32_t y0 = INT32_MAX, x0 = INT32_MAX, y1 = -1, x1 = -1;
    MAPT_UNROLL_BY(4) for (int32_t i = thread(); i < pixels; i += kThreads) {
      if (static_cast<C>(mask[i]) == C(0)) continue;
      const int32_t y = i / width, x = i - y * width;
      y0 = min(y0, y), y1 = max(y1, y);
      x0 = min(x0, x), x1 = max(x1, x);
    }
    const int t = thread();
    shared.y0[t] = y0, shared.x0[t] = x0, shared.y1[t] = y1, shared.x1[t] = x1;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (t < half) {
        shared.y0[t] = min(shared.y0[t], shared.y0[t + half]), shared.x0[t] = min(shared.x0[t], shared.x0[t + half]);
        shared.y1[t] = max(shared.y1[t], shared.y1[t + half]), shared.x1[t] = max(shared.x1[t], shared.x1[t + half]);
      }
      __syncthreads();
    }
    if (t == 0) m.extents[n] = {shared.y0[0], shared.x0[0], shared.y1[0], shared.x1[0]};
  }

 private:
  MAPT_DEVICE void collapse(int64_t i) const {
    const Propagate<T, C>& p = m.p;
    C sum = 0;
    for (int64_t f = i / kFieldTaps * p.filters; f < (i / kFieldTaps + 1) * p.filters; ++f) {
      sum += static_cast<C>(p.projection[f]) * static_cast<C>(p.weights[f * kFieldTaps + i % kFieldTaps]);
    }
    m.collapsed[i] = sum;
  }
};

// The first blocks compute logits, the others features.
template <class T, class C>
struct Move {
  static constexpr int kThreads = kFields * kPixels, kBlocks = 3;
  static constexpr int kItems = kFieldTaps * kFeatureSize;  // of a row of bins
  static_assert(kMasks * kPixels == kThreads && kSamples * kItems <= kThreads, "a thread for each result");
  struct Shared {
    union {
      C sums[kFields][kMasks][kPixels];
      C pooled[kSamples][kItems];
    };
    int32_t extents[kMasks][4];  // y0, x0, y1, x1
  };

  Motion<T, C> m;

  MAPT_INLINE int64_t tiles() const { return ceil_div(m.p.height * m.p.width, kPixels); }
  MAPT_INLINE int64_t logit_blocks() const { return m.p.logits ? ceil_div(m.p.count, kMasks) * tiles() : 0; }
  int64_t blocks() const { return logit_blocks() + (m.p.features ? m.p.count * kFields * kFeatureSize : 0); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    if (block < logit_blocks()) {
      logits(shared, block / tiles() * kMasks, block % tiles() * kPixels);
    } else {
      features(shared.pooled, block - logit_blocks());
    }
  }

 private:
  // A thread adds a field's taps at a pixel, for masks that share the sampling points. Masks that are zero there are
  // skipped. The fields' sums are added in a fixed order.
  MAPT_DEVICE void logits(Shared& shared, int64_t first, int64_t first_pixel) const {
    const Propagate<T, C>& p = m.p;
    const int64_t pixels = p.height * p.width;
    const int field = thread() / kPixels, at = thread() % kPixels;
    if (thread() < kMasks) {
      const Extent e = first + thread() < p.count ? m.extents[first + thread()] : Extent{1, 1, -1, -1};
      int32_t* to = shared.extents[thread()];
      to[0] = static_cast<int32_t>(e.y0), to[1] = static_cast<int32_t>(e.x0);
      to[2] = static_cast<int32_t>(e.y1), to[3] = static_cast<int32_t>(e.x1);
    }
    __syncthreads();
    C sums[kMasks];
    MAPT_UNROLL for (int n = 0; n < kMasks; ++n) sums[n] = C(0);
    if (first_pixel + at < pixels) add_taps(shared, first, field, static_cast<int32_t>(first_pixel + at), sums);
    MAPT_UNROLL for (int n = 0; n < kMasks; ++n) shared.sums[field][n][at] = sums[n];
    __syncthreads();
    const int n = thread() / kPixels;
    if (first + n >= p.count || first_pixel + at >= pixels) return;
    C sum = static_cast<C>(p.bias[0]);
    MAPT_UNROLL for (int f = 0; f < kFields; ++f) sum += shared.sums[f][n][at];
    p.logits[(first + n) * pixels + first_pixel + at] = static_cast<T>(sum);
  }

  MAPT_DEVICE void add_taps(const Shared& shared, int64_t first, int field, int32_t pixel, C (&sums)[kMasks]) const {
    const int32_t width = static_cast<int32_t>(m.p.width), y = pixel / width, x = pixel - y * width;
    MAPT_UNROLL_BY(2) for (int tap = 0; tap < kFieldTaps; ++tap) {
      const Sample<C, int32_t> s = m.sample(field * kFieldTaps + tap, y, x);
      const C weight = m.collapsed[field * kFieldTaps + tap];
      MAPT_UNROLL for (int n = 0; n < kMasks; ++n) {
        const auto& e = shared.extents[n];
        const bool held = s.y + 1 >= e[0] && s.x + 1 >= e[1] && s.y <= e[2] && s.x <= e[3];
        if (s.inside && held) sums[n] += weight * m.read(first + n, s);
      }
    }
  }

  // A block computes a row of a box's bins for a field. Each thread samples a tap at one of a bin's points.
  MAPT_DEVICE void features(C (&pooled)[kSamples][kItems], int64_t block) const {
    const Propagate<T, C>& p = m.p;
    const int64_t row = block % kFeatureSize, field = block / kFeatureSize % kFields,
                  n = block / kFeatureSize / kFields;
    const int k = thread() / kItems, item = thread() % kItems;
    if (k < kSamples) {
      const int tap = item / kFeatureSize, column = item % kFeatureSize;
      pooled[k][item] = pool(n, field * kFieldTaps + tap, row, column, k);
    }
    __syncthreads();
    for (int64_t i = thread(); i < p.filters * kFeatureSize; i += kThreads) {
      const int64_t filter = field * p.filters + i / kFeatureSize, column = i % kFeatureSize;
      C sum = 0;
      MAPT_UNROLL for (int tap = 0; tap < kFieldTaps; ++tap) {
        C mean = 0;
        MAPT_UNROLL for (int s = 0; s < kSamples; ++s) mean += pooled[s][tap * kFeatureSize + column];
        sum += static_cast<C>(p.weights[filter * kFieldTaps + tap]) * (mean / static_cast<C>(kSamples));
      }
      p.features[((n * kFields * p.filters + filter) * kFeatureSize + row) * kFeatureSize + column] =
          static_cast<T>(sum);
    }
  }

  // Point k of a bin of mask n's box: tap i, sampled at the four pixels around it.
  MAPT_DEVICE C pool(int64_t n, int64_t i, int64_t row, int64_t column, int k) const {
    const Propagate<T, C>& p = m.p;
    const C* box = p.boxes + n * 4;
    const Extent extent = m.extents[n];
    C sum = 0;
    if (extent.y1 < 0) return sum;
    const BoxSide<C> ys = box_side(box[1], box[3], kMaskStride, kFeatureSize);
    const BoxSide<C> xs = box_side(box[0], box[2], kMaskStride, kFeatureSize);
    const auto y = axis_sample(ys, row, k / kFeatureRatio, kFeatureRatio, p.height);
    const auto x = axis_sample(xs, column, k % kFeatureRatio, kFeatureRatio, p.width);
    MAPT_UNROLL_BY(2) for (int corner = 0; corner < 4; ++corner) {
      const C weight = (corner / 2 ? y.high_weight : y.low_weight) * (corner % 2 ? x.high_weight : x.low_weight);
      if (weight == C(0)) continue;
      const Sample<C, int32_t> s = m.sample(i, corner / 2 ? y.high : y.low, corner % 2 ? x.high : x.low);
      if (s.inside && extent.holds(s.y, s.x)) sum += weight * m.read(n, s);
    }
    return sum;
  }
};

template <class T, class C>
struct KernelOf<Propagate<T, C>> {
  static Motion<T, C> allocate(const Propagate<T, C>& p, Arena& arena) { return {p, arena}; }
  static const char* start(const Propagate<T, C>& p, const Motion<T, C>& motion, Stream stream) {
    if (p.count == 0) return nullptr;
    const Measure<T, C> measure{motion};
    const Move<T, C> move{motion};
    const char* error = launch_blocks(stream, measure.blocks(), measure);
    return first_error(error, launch_blocks(stream, move.blocks(), move));
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_FORWARD(propagate, Propagate)

}  // namespace mapt
