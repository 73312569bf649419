// The forward pass of RoIAlign over the pyramid on a GPU.
#include "cuda/launch.cuh"
#include "operators/roi_align/cells.h"

MAPT_BEGIN

constexpr int kPooled = 16;  // channels per thread

// A thread computes kPooled channels of a bin of a box, whose cells and weights are computed once.
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

template <class T, class C>
struct KernelOf<RoiAlign<T, C>> {
  static Nothing allocate(const RoiAlign<T, C>&, Arena&) { return {}; }
  static const char* start(const RoiAlign<T, C>& p, Nothing, Stream stream) {
    return launch(stream, ceil_div(p.channels, kPooled), p.count * p.size * p.size, Pool<T, C>{p});
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_FORWARD(roi_align, RoiAlign)

}  // namespace mapt
