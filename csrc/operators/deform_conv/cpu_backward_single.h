// The backward pass of deformable convolution on the CPU: functions that both cases share, and the case of one input
// channel and one offset field.
#pragma once

#include "operators/deform_conv/cpu_forward.h"

MAPT_BEGIN

// Computes the gradient of a block's samples for a group of images. out[image][tap][kBlock] is the sum over filters of
// weight[filter][tap] * grad[image][filter][pixel].
template <class T, int TAPS>
MAPT_INLINE void sample_gradient(const DeformConv<T>& p, const T* grad, int64_t tap, int64_t count, T* out) {
  constexpr int64_t lanes = kLanes<T>;
  constexpr int wide = 3;
  const int64_t taps = p.taps(), pixels = p.out_pixels();
  for (int64_t first = 0; first < kBlock; first += wide * lanes) {
    Vec<T> sums[TAPS][wide] = {};
    for (int64_t f = 0; f < p.filters; ++f) {
      Vec<T> g[wide];
#pragma GCC unroll 3
      for (int v = 0; v < wide; ++v) g[v] = load(grad + f * pixels + first + v * lanes, count - first - v * lanes);
#pragma GCC unroll 3
      for (int t = 0; t < TAPS; ++t) {
        const Vec<T> w = broadcast(p.weight[f * taps + tap + t]);
#pragma GCC unroll 3
        for (int v = 0; v < wide; ++v) sums[t][v] += w * g[v];
      }
    }
#pragma GCC unroll 3
    for (int t = 0; t < TAPS; ++t) {
#pragma GCC unroll 3
      for (int v = 0; v < wide; ++v) store(out + (tap + t) * kBlock + first + v * lanes, sums[t][v]);
    }
  }
}

// The gradients of a sample of kLanes channels: products with the two derivatives of the bilinear weights.
template <class T>
MAPT_INLINE void sample_derivatives(const T* cell, int64_t right, int64_t below, T ly, T lx, Vec<T> gradient, Vec<T>& y,
                                    Vec<T>& x) {
  bilinear_slopes(Corners<Vec<T>>{load(cell), load(cell + right), load(cell + below), load(cell + below + right)}, ly,
                  lx, y, x);
  y *= gradient;
  x *= gradient;
}

template <class T>
MAPT_INLINE void add_to(T* cell, Vec<T> v) {
  store(cell, load(cell) + v);
}

template <class T>
MAPT_INLINE void scatter(T* cell, int64_t right, int64_t below, T w00, T w01, T w10, T w11, Vec<T> gradient) {
  add_to(cell, w00 * gradient);
  add_to(cell + right, w01 * gradient);
  add_to(cell + below, w10 * gradient);
  add_to(cell + below + right, w11 * gradient);
}

// Adds the lanes of kLanes vectors. Lane i of the result is the sum of rows[i].
template <class T>
MAPT_INLINE Vec<T> sums_of(Vec<T> (&rows)[kLanes<T>]) {
  transpose<T>(rows);
  Vec<T> total = rows[0];
#pragma GCC unroll 16
  for (int i = 1; i < kLanes<T>; ++i) total += rows[i];
  return total;
}

// --- One input channel, one offset field: images in the lanes ---

constexpr int64_t kBands = 8;  // parts of the output with private sums, independent of the number of threads

template <class T>
class SingleBackward {
 public:
  explicit SingleBackward(const DeformConvGrad<T>& gradients)
      : g_(gradients),
        p_(gradients.forward),
        border_{p_.height, p_.width},
        groups_(ceil_div(p_.batch, lanes)),
        cell_step_(groups_ * lanes),
        blocks_(ceil_div(p_.out_pixels(), kBlock)),
        weight_part_(p_.filters * p_.taps() * lanes),
        images_(border_.cells(), cell_step_),
        input_parts_(g_.grad_input ? kBands : 0, border_.cells(), cell_step_),
        weight_parts_(kBands, weight_part_),
        bias_parts_(kBands, p_.filters, lanes) {}

  void run(const Parallel& parallel) {
    to_lanes(p_.input, p_.batch, border_, images_.get(), cell_step_, lanes, parallel);
    parallel_for(parallel, kBands, [this](int64_t begin, int64_t end) {
      for (int64_t band = begin; band < end; ++band) run_band(band);
    });
    if (g_.grad_input) {
      from_lanes(input_parts_.get(), kBands, border_.cells() * cell_step_, cell_step_, lanes, border_, g_.grad_input,
                 p_.batch, parallel);
    }
    for (int64_t i = 0; g_.grad_weight && i < p_.filters * p_.taps(); ++i) {
      g_.grad_weight[i] = total(weight_parts_.get() + i * lanes, weight_part_);
    }
    for (int64_t f = 0; g_.grad_bias && f < p_.filters; ++f) {
      g_.grad_bias[f] = total(bias_parts_.get() + f * lanes, p_.filters * lanes);
    }
  }

 private:
  static constexpr int64_t lanes = kLanes<T>;

  static T total(const T* part, int64_t step) {
    Vec<T> all{};
    for (int64_t band = 0; band < kBands; ++band) all += load(part + band * step);
    return sum<T>(all);
  }

  void run_band(int64_t band) {
    const int64_t taps = p_.taps(), pixels = p_.out_pixels();
    BlockSamples<T> at(taps);
    Scratch<T> tile(lanes, taps, kBlock), gradient(lanes, taps, kBlock), offset(2, taps, kBlock);
    T* input = g_.grad_input ? input_parts_.get() + band * border_.cells() * cell_step_ : nullptr;
    if (input) std::memset(input, 0, border_.cells() * cell_step_ * sizeof(T));
    std::memset(weight_parts_.get() + band * weight_part_, 0, weight_part_ * sizeof(T));
    std::memset(bias_parts_.get() + band * p_.filters * lanes, 0, p_.filters * lanes * sizeof(T));
    for (int64_t block = band * blocks_ / kBands; block < (band + 1) * blocks_ / kBands; ++block) {
      const int64_t first = block * kBlock, count = min(kBlock, pixels - first);
      at.locate(p_, p_.offset, first);
      std::memset(offset.get(), 0, 2 * taps * kBlock * sizeof(T));
      for (int64_t group = 0; group < groups_; ++group) {
        const int64_t images = min(lanes, p_.batch - group * lanes);
        const T* grad = g_.grad_out + group * lanes * p_.filters * pixels + first;
        spread(grad, images, count, gradient.get());
        sample(group, at, gradient.get(), tile.get(), input, offset.get());
        add_weights(band, grad, images, count, tile.get());
      }
      for (int64_t i = 0; g_.grad_offset && i < 2 * taps; ++i) {
        std::memcpy(g_.grad_offset + i * pixels + first, offset.get() + i * kBlock, count * sizeof(T));
      }
    }
  }

  void spread(const T* grad, int64_t images, int64_t count, T* gradient) {
    const int64_t taps = p_.taps();
    for (int64_t n = 0; n < lanes; ++n) {
      T* out = gradient + n * taps * kBlock;
      const T* from = grad + n * p_.filters * p_.out_pixels();
      if (n >= images) {
        std::memset(out, 0, taps * kBlock * sizeof(T));
        continue;
      }
      int64_t tap = 0;
      for (; tap + 3 <= taps; tap += 3) sample_gradient<T, 3>(p_, from, tap, count, out);
      for (; tap < taps; ++tap) sample_gradient<T, 1>(p_, from, tap, count, out);
    }
  }

  // Computes the samples again for the filters' gradient, and the gradients of offsets and, if wanted, of the input.
  void sample(int64_t group, BlockSamples<T>& at, const T* gradient, T* tile, T* input, T* offset) {
    const int64_t taps = p_.taps(), right = cell_step_, below = border_.pitch() * cell_step_;
    const T* images = images_.get() + group * lanes;
    if (input) input += group * lanes;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const T *w00 = at.weight(tap, 0), *w01 = at.weight(tap, 1), *w10 = at.weight(tap, 2), *w11 = at.weight(tap, 3);
      for (int64_t first = 0; first < kBlock; first += lanes) {
        Vec<T> passed[lanes], samples[lanes], dy[lanes], dx[lanes];
        for (int64_t n = 0; n < lanes; ++n) passed[n] = load(gradient + (n * taps + tap) * kBlock + first);
        transpose<T>(passed);
        for (int64_t i = 0; i < lanes; ++i) {
          const int64_t k = first + i, cell = at.index(tap)[k] * cell_step_;
          samples[i] = blend(images + cell, right, below, w00[k], w01[k], w10[k], w11[k]);
          sample_derivatives(images + cell, right, below, at.ly(tap)[k], at.lx(tap)[k], passed[i], dy[i], dx[i]);
          if (input) scatter(input + cell, right, below, w00[k], w01[k], w10[k], w11[k], passed[i]);
        }
        add_to(offset + 2 * tap * kBlock + first, sums_of<T>(dy));
        add_to(offset + (2 * tap + 1) * kBlock + first, sums_of<T>(dx));
        transpose<T>(samples);
        for (int64_t n = 0; n < lanes; ++n) store(tile + (n * taps + tap) * kBlock + first, samples[n]);
      }
    }
  }

  void add_weights(int64_t band, const T* grad, int64_t images, int64_t count, const T* tile) {
    const int64_t taps = p_.taps();
    for (int64_t f = 0; f < p_.filters; ++f) {
      T* sums = weight_parts_.get() + band * weight_part_ + f * taps * lanes;
      int64_t tap = 0;
      for (; tap + 3 <= taps; tap += 3) add_filter<3>(grad, f, tap, images, count, tile, sums);
      for (; tap < taps; ++tap) add_filter<1>(grad, f, tap, images, count, tile, sums);
      T* bias = bias_parts_.get() + (band * p_.filters + f) * lanes;
      Vec<T> all = load(bias);
      for (int64_t n = 0; n < images; ++n) {
        const T* g = grad + (n * p_.filters + f) * p_.out_pixels();
        for (int64_t i = 0; i < count; i += lanes) all += load(g + i, count - i);
      }
      store(bias, all);
    }
  }

  template <int TAPS>
  MAPT_INLINE void add_filter(const T* grad, int64_t filter, int64_t tap, int64_t images, int64_t count, const T* tile,
                              T* sums) {
    Vec<T> totals[TAPS];
#pragma GCC unroll 3
    for (int t = 0; t < TAPS; ++t) totals[t] = load(sums + (tap + t) * lanes);
    for (int64_t n = 0; n < images; ++n) {
      const T* g = grad + (n * p_.filters + filter) * p_.out_pixels();
      const T* samples = tile + (n * p_.taps() + tap) * kBlock;
      for (int64_t i = 0; i < count; i += lanes) {
        const Vec<T> v = load(g + i, count - i);
#pragma GCC unroll 3
        for (int t = 0; t < TAPS; ++t) totals[t] += v * load(samples + t * kBlock + i);
      }
    }
#pragma GCC unroll 3
    for (int t = 0; t < TAPS; ++t) store(sums + (tap + t) * lanes, totals[t]);
  }

  const DeformConvGrad<T>& g_;
  const DeformConv<T>& p_;
  const Border border_;
  const int64_t groups_, cell_step_, blocks_, weight_part_;
  Scratch<T> images_, input_parts_, weight_parts_, bias_parts_;
};

MAPT_END
