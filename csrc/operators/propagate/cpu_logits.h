// The mask logits of the collapsed motion step on the CPU, from 36 samples a pixel.
#pragma once

#include "common/bordered.h"
#include "operators/propagate/taps.h"

MAPT_BEGIN

// --- Mask logits: kLanes masks at once ---

// For each cell, bit g tells whether group g of kLanes masks is not zero in the four cells that a sample there reads.
template <class T>
class Occupancy {
 public:
  // `masks` are the indices of the `count` masks in `planes`, which are maps of the border's size without the border.
  template <class V>
  Occupancy(const V* planes, const int64_t* masks, int64_t count, Border border, const Parallel& parallel)
      : near_(border.cells()) {
    const int64_t cells = border.cells(), pitch = border.pitch();
    Scratch<uint32_t> here(cells + pitch + 1);
    std::memset(here.get(), 0, (cells + pitch + 1) * sizeof(uint32_t));
    parallel_for(parallel, border.height, [&](int64_t begin, int64_t end) {
      for (int64_t y = begin; y < end; ++y) {
        for (int64_t i = 0; i < count; ++i) {
          mark(planes + (masks[i] * border.height + y) * border.width, border.width, uint32_t{1} << i / kLanes<T>,
               here.get() + (y + 1) * pitch + 1);
        }
      }
    });
    const uint32_t* const of = here.get();
    for (int64_t i = 0; i < cells; ++i) near_[i] = of[i] | of[i + 1] | of[i + pitch] | of[i + pitch + 1];
  }

  MAPT_INLINE uint32_t near(int64_t cell) const { return near_.get()[cell]; }

 private:
  template <class V>
  static MAPT_INLINE void mark(const V* row, int64_t width, uint32_t bit, uint32_t* here) {
    for (int64_t x = 0; x < width; ++x) here[x] |= is_nonzero(row[x]) ? bit : 0;
  }

  Scratch<uint32_t> near_;
};

// The samples of kLanes neighbouring pixels at a tap. Their weights are multiplied by the tap's filter.
template <class T>
struct TapSamples {
  Int<T> index[kLanes<T>];
  T w00[kLanes<T>], w01[kLanes<T>], w10[kLanes<T>], w11[kLanes<T>];
  uint32_t groups;  // bit g: a sample may be nonzero in group g
};

template <class V, class T>
class MaskLogits {
 public:
  static constexpr int64_t kMaxMasks = 32 * kLanes<T>;  // masks at once

  // `masks` are the indices of the `count` masks that are not empty.
  MaskLogits(const Propagate<V, T>& p, const int64_t* masks, int64_t count, const Parallel& parallel)
      : p_(p),
        masks_(masks),
        count_(count),
        bias_(static_cast<T>(p.bias[0])),
        border_{p.height, p.width},
        groups_(ceil_div(count, lanes)),
        cells_(groups_, border_.cells(), lanes) {
    pack(parallel);
    for (int64_t field = 0; field < kFields; ++field) {
      for (int64_t tap = 0; tap < kFieldTaps; ++tap) {
        T weight = 0;
        for (int64_t f = field * p.filters; f < (field + 1) * p.filters; ++f) {
          weight += static_cast<T>(p.projection[f]) * static_cast<T>(p.weights[f * kFieldTaps + tap]);
        }
        weights_[field * kFieldTaps + tap] = weight;
      }
    }
  }

  void run(const Parallel& parallel) {
    const Occupancy<T> occupied(p_.masks, masks_, count_, border_, parallel);
    parallel_for(parallel, ceil_div(p_.height * p_.width, lanes), [this, &occupied](int64_t begin, int64_t end) {
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
    if (masks_[count_ - 1] - masks_[0] == count_ - 1) {  // there is no empty mask between them
      to_lanes(p_.masks + masks_[0] * pixels, count_, border_, cells_.get(), lanes, group_step, parallel);
      return;
    }
    Scratch<V> packed(count_, pixels);
    for (int64_t i = 0; i < count_; ++i) {
      std::memcpy(packed.get() + i * pixels, p_.masks + masks_[i] * pixels, pixels * sizeof(V));
    }
    to_lanes(packed.get(), count_, border_, cells_.get(), lanes, group_step, parallel);
  }

  // Finds the taps at which a pixel of first ... first + kLanes - 1 has a nonzero sample.
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
    const int64_t pixels = p_.height * p_.width;
    const T* cells = cells_.get() + group * border_.cells() * lanes;
    Vec<T> logits[lanes];
    for (int64_t i = 0; i < lanes; i += kPixels) add_pixels(cells, samples, used, i, logits);
    transpose<T>(logits);
    for (int64_t n = group * lanes; n < min(count_, (group + 1) * lanes); ++n) {
      store_values(p_.logits + masks_[n] * pixels + first, logits[n - group * lanes], pixels - first);
    }
  }

  // Two pixels at once have eight sums, which do not wait for each other.
  static constexpr int kPixels = 2;

  MAPT_INLINE void add_pixels(const T* cells, const TapSamples<T>* const* samples, int used, int64_t first,
                              Vec<T>* logits) {
    const int64_t below = border_.pitch() * lanes;
    Vec<T> s00[kPixels] = {}, s01[kPixels] = {}, s10[kPixels] = {}, s11[kPixels] = {};
    for (int k = 0; k < used; ++k) {
      const TapSamples<T>& s = *samples[k];
#pragma GCC unroll 2
      for (int j = 0; j < kPixels; ++j) {
        const int64_t i = first + j;
        const T* cell = cells + s.index[i] * lanes;
        s00[j] += s.w00[i] * load(cell);
        s01[j] += s.w01[i] * load(cell + lanes);
        s10[j] += s.w10[i] * load(cell + below);
        s11[j] += s.w11[i] * load(cell + below + lanes);
      }
    }
#pragma GCC unroll 2
    for (int j = 0; j < kPixels; ++j) logits[first + j] = bias_ + ((s00[j] + s01[j]) + (s10[j] + s11[j]));
  }

  const Propagate<V, T>& p_;
  const int64_t* masks_;
  const int64_t count_;
  const T bias_;
  const Border border_;
  const int64_t groups_;
  Scratch<T> cells_;
  T weights_[kAllTaps];
};

MAPT_END
