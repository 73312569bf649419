// The forward pass of deformable convolution on a GPU.
#include "cuda/launch.cuh"
#include "operators/deform_conv/taps.h"

MAPT_BEGIN

// A thread computes FILTERS filters at an output pixel of IMAGES images that share an offset field. A sampling point
// thus serves IMAGES samples, and a sample FILTERS products.
template <class T, class C, int IMAGES, int FILTERS>
struct Convolve {
  DeformConv<T, C> p;

  MAPT_INLINE void operator()(int64_t row, int64_t pixel) const {
    const int64_t chunks = ceil_div(p.filters, FILTERS);
    const int64_t filter = row % chunks * FILTERS, image = row / chunks * IMAGES, taps = p.taps();
    const int64_t plane = p.height * p.width;
    const C* field = p.offset + (p.shared ? 0 : image) * 2 * taps * p.out_pixels();
    C sums[IMAGES][FILTERS];
    MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) {
      MAPT_UNROLL for (int f = 0; f < FILTERS; ++f) {
        sums[n][f] = p.bias && filter + f < p.filters ? static_cast<C>(p.bias[filter + f]) : C(0);
      }
    }
    for (int64_t tap = 0; tap < taps; ++tap) {
      const Sample<C, int32_t> s = tap_sample(p, field, tap, pixel);
      if (!s.inside) continue;
      for (int64_t c = 0; c < p.channels; ++c) {
        C samples[IMAGES];
        MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) {
          const T* map = p.input + ((image + n) * p.channels + c) * plane;
          samples[n] = image + n < p.batch ? bilinear_at<C>(map, s, p.height, p.width) : C(0);
        }
        MAPT_UNROLL for (int f = 0; f < FILTERS; ++f) {
          if (filter + f >= p.filters) break;
          const C weight = static_cast<C>(p.weight[((filter + f) * p.channels + c) * taps + tap]);
          MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) sums[n][f] += weight * samples[n];
        }
      }
    }
    MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) {
      MAPT_UNROLL for (int f = 0; f < FILTERS; ++f) {
        if (image + n >= p.batch || filter + f >= p.filters) continue;
        p.out[((image + n) * p.filters + filter + f) * p.out_pixels() + pixel] = static_cast<T>(sums[n][f]);
      }
    }
  }
};

template <int IMAGES, int FILTERS, class T, class C>
const char* convolve(const DeformConv<T, C>& p, Stream stream) {
  const int64_t rows = ceil_div(p.batch, IMAGES) * ceil_div(p.filters, FILTERS);
  return launch(stream, rows, p.out_pixels(), Convolve<T, C, IMAGES, FILTERS>{p});
}

template <class T, class C>
struct KernelOf<DeformConv<T, C>> {
  static Nothing allocate(const DeformConv<T, C>&, Arena&) { return {}; }
  static const char* start(const DeformConv<T, C>& p, Nothing, Stream stream) {
    return p.shared ? convolve<2, 16>(p, stream) : convolve<1, 16>(p, stream);
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_FORWARD(deform_conv2d, DeformConv)

}  // namespace mapt
