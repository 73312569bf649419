// The sampling points of a block of neighbouring output pixels, which are computed once for all channels.
#pragma once

#include "common/bordered.h"
#include "operators/deform_conv/params.h"

MAPT_BEGIN

constexpr int64_t kBlock = 48;  // pixels; a multiple of the lanes and of the rows of `multiply_add`

template <class T>
class BlockSamples {
 public:
  explicit BlockSamples(int64_t taps) : index_(taps, kBlock), parts_(taps, 2, kBlock), weights_(taps, 4, kBlock) {}

  // (kBlock): the upper left cell of each pixel's sample, counted in the bordered map.
  MAPT_INLINE Int<T>* index(int64_t tap) { return index_.get() + tap * kBlock; }
  MAPT_INLINE T* ly(int64_t tap) { return parts_.get() + 2 * tap * kBlock; }
  MAPT_INLINE T* lx(int64_t tap) { return parts_.get() + (2 * tap + 1) * kBlock; }
  // (kBlock) weights of the upper left, upper right, lower left and lower right cell.
  MAPT_INLINE T* weight(int64_t tap, int corner) { return weights_.get() + (4 * tap + corner) * kBlock; }

  // Takes pixels first, first + 1, ... of the field (2 * taps, out_height, out_width). Those behind the last pixel read
  // outside.
  template <class V>
  void locate(const DeformConv<V, T>& p, const T* field, int64_t first) {
    const Border border{p.height, p.width};
    const int64_t pixels = p.out_pixels(), count = min(kBlock, pixels - first);
    T base_y[kBlock], base_x[kBlock];
    int64_t y = first / p.out_width, x = first % p.out_width;
    for (int64_t i = 0; i < kBlock; ++i) {
      base_y[i] = i < count ? static_cast<T>(y * p.stride - p.padding) : T(-1e9);
      base_x[i] = static_cast<T>(x * p.stride - p.padding);
      if (++x == p.out_width) x = 0, ++y;
    }
    for (int64_t tap = 0; tap < p.taps(); ++tap) {
      const T tap_y = static_cast<T>(tap / p.kernel_w * p.dilation),
              tap_x = static_cast<T>(tap % p.kernel_w * p.dilation);
      const T* dy = field + 2 * tap * pixels + first;
      for (int64_t i = 0; i < kBlock; i += kLanes<T>) {
        const int64_t left = count - i;
        place(border, tap, i, load(base_y + i) + tap_y + load(dy + i, left),
              load(base_x + i) + tap_x + load(dy + pixels + i, left));
      }
    }
  }

 private:
  MAPT_INLINE void place(Border border, int64_t tap, int64_t i, Vec<T> y, Vec<T> x) {
    const auto s = sample_at<T, Vec<T>, Vec<Int<T>>>(y, x, border.height, border.width);
    const Int<T> pitch = static_cast<Int<T>>(border.pitch()), outside = static_cast<Int<T>>(border.outside());
    const Vec<Int<T>> cell = (s.y + 1) * pitch + (s.x + 1);
    store(index(tap) + i, s.inside ? cell : Vec<Int<T>>{} + outside);
    const Vec<T> hy = T(1) - s.ly, hx = T(1) - s.lx;
    store(ly(tap) + i, s.ly);
    store(lx(tap) + i, s.lx);
    store(weight(tap, 0) + i, hy * hx);
    store(weight(tap, 1) + i, hy * s.lx);
    store(weight(tap, 2) + i, s.ly * hx);
    store(weight(tap, 3) + i, s.ly * s.lx);
  }

  Scratch<Int<T>> index_;
  Scratch<T> parts_, weights_;
};

// Returns the bilinear sample of as many channels as a vector has lanes. `right` and `below` are the distances to the
// neighbouring cells.
template <class W, class T>
MAPT_INLINE W blend_as(const T* cell, int64_t right, int64_t below, T w00, T w01, T w10, T w11) {
  return w00 * load_as<W>(cell) + w01 * load_as<W>(cell + right) +
         (w10 * load_as<W>(cell + below) + w11 * load_as<W>(cell + below + right));
}

template <class T>
MAPT_INLINE Vec<T> blend(const T* cell, int64_t right, int64_t below, T w00, T w01, T w10, T w11) {
  return blend_as<Vec<T>>(cell, right, below, w00, w01, w10, w11);
}

MAPT_END
