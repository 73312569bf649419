// The factors of a deformable convolution of many channels, laid out for vector loads: the input with channels as the
// last axis and a border of zeros, and weights by tap. A sample of a point is then four vectors, without a test.
#pragma once

#include "cuda/multiply.cuh"
#include "operators/deform_conv/taps.h"

MAPT_BEGIN

// From this many channels on, samples are multiplied as matrices.
constexpr int64_t kWide = 8;

// S is the type of factors in shared memory, and has the size of T.
template <class T, class C, class S>
struct ChannelsLast {
  DeformConv<T, C> p;
  T* map = nullptr;      // (batch, bordered cells, width)
  S* weights = nullptr;  // (filters, taps, width), or transposed (taps, width, filter_width)

  MAPT_INLINE Border border() const { return {p.height, p.width}; }
  // The channels, and filters, in whole vectors. Those behind the last are zero.
  MAPT_INLINE int width() const { return static_cast<int>(round_up(p.channels, kVector<S>)); }
  MAPT_INLINE int filter_width() const { return static_cast<int>(round_up(p.filters, kVector<S>)); }
  MAPT_INLINE int64_t columns() const { return p.taps() * width(); }
  MAPT_INLINE const C* field(int64_t image) const {
    return p.offset + (p.shared ? 0 : image) * 2 * p.taps() * p.out_pixels();
  }
  MAPT_INLINE const T* image(int64_t n) const { return map + n * border().cells() * width(); }

  void allocate(Arena& arena, bool with_map, bool with_weights, bool transposed) {
    if (with_map) map = arena.take<T>(p.batch, border().cells(), width());
    if (with_weights) weights = arena.take<S>(transposed ? filter_width() : p.filters, columns());
  }
};

// Writes the map and the weights of `ChannelsLast`, as far as they have memory.
template <class T, class C, class S>
struct LayOut {
  static constexpr int kThreads = 256, kBlocks = 4, kSide = 32;
  struct Shared {
    T square[kSide][kSide + 1];
  };

  ChannelsLast<T, C, S> to;
  bool transposed;

  MAPT_INLINE int64_t map_blocks() const {
    if (!to.map) return 0;
    return to.p.batch * ceil_div(to.border().cells(), kSide) * ceil_div(to.width(), kSide);
  }
  MAPT_INLINE int64_t weights() const {
    if (!to.weights) return 0;
    return to.columns() * (transposed ? to.filter_width() : to.p.filters);
  }
  int64_t blocks() const { return map_blocks() + ceil_div(weights(), kThreads); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    if (block < map_blocks()) return turn(shared, block);
    const int64_t at = (block - map_blocks()) * kThreads + thread();
    if (at < weights()) to.weights[at] = weight(at);
  }

 private:
  MAPT_DEVICE void turn(Shared& shared, int64_t block) const {
    const DeformConv<T, C>& p = to.p;
    const Border border = to.border();
    const int width = to.width(), line = thread() / kSide, at = thread() % kSide;
    const int64_t groups = ceil_div(width, kSide), squares = ceil_div(border.cells(), kSide);
    const int channel = static_cast<int>(block % groups) * kSide;
    const int64_t cell = block / groups % squares * kSide, n = block / groups / squares;
    const int64_t y = (cell + at) / border.pitch() - 1, x = (cell + at) % border.pitch() - 1;
    const bool inside = y >= 0 && y < p.height && x >= 0 && x < p.width;
    const T* from = p.input + n * p.channels * p.height * p.width + y * p.width + x;
    for (int c = line; c < kSide; c += kThreads / kSide) {
      const bool known = inside && channel + c < p.channels;
      shared.square[c][at] = known ? from[(channel + c) * p.height * p.width] : T(0.F);
    }
    __syncthreads();
    T* out = to.map + (n * border.cells() + cell) * width + channel;
    for (int i = line; i < kSide; i += kThreads / kSide) {
      if (cell + i < border.cells() && channel + at < width) out[i * width + at] = shared.square[at][i];
    }
  }

  MAPT_DEVICE S weight(int64_t at) const {
    const int64_t length = transposed ? to.filter_width() : to.columns(), row = at / length, column = at % length;
    const int64_t f = transposed ? column : row, place = transposed ? row : column;
    const int64_t tap = place / to.width(), c = place % to.width();
    if (f >= to.p.filters || c >= to.p.channels) return S(0.F);
    return S(static_cast<C>(to.p.weight[(f * to.p.channels + c) * to.p.taps() + tap]));
  }
};

template <class T, class C, class S>
const char* lay_out(const ChannelsLast<T, C, S>& to, bool transposed, Stream stream) {
  const LayOut<T, C, S> kernel{to, transposed};
  return launch_blocks(stream, kernel.blocks(), kernel);
}

template <class C>
struct alignas(kVectorBytes) CornerWeights {
  C w00, w01, w10, w11;
};

// A sampling point in a bordered map: its upper left cell, and the weights of the four cells.
template <class C>
MAPT_DEVICE int32_t place_sample(const Sample<C, int32_t>& s, Border border, CornerWeights<C>& weights) {
  const C hy = C(1) - s.ly, hx = C(1) - s.lx;
  weights = {hy * hx, hy * s.lx, s.ly * hx, s.ly * s.lx};
  return static_cast<int32_t>(s.inside ? (s.y + 1) * border.pitch() + (s.x + 1) : border.outside());
}

// Sampling points in shared memory.
template <class C, int COUNT>
struct SampleTable {
  CornerWeights<C> weights[COUNT];
  int32_t cells[COUNT];

  template <class T>
  MAPT_DEVICE void locate(int at, const DeformConv<T, C>& p, const C* field, int64_t tap, int64_t pixel) {
    const Border border{p.height, p.width};
    cells[at] = static_cast<int32_t>(border.outside());
    weights[at] = {C(0), C(0), C(0), C(0)};
    if (tap < p.taps() && pixel < p.out_pixels()) {
      cells[at] = place_sample(tap_sample(p, field, tap, pixel), border, weights[at]);
    }
  }

  // The samples of a vector of channels, the first of which `map` points to.
  template <class S, class T>
  MAPT_DEVICE Vector<S> gather(int at, const T* map, int64_t width, int64_t pitch) const {
    const CornerWeights<C> w = weights[at];
    const T* cell = map + cells[at] * width;
    const auto load = [](const T* from) { return *reinterpret_cast<const Vector<T>*>(from); };
    const Vector<T> c00 = load(cell), c01 = load(cell + width);
    const Vector<T> c10 = load(cell + pitch * width), c11 = load(cell + pitch * width + width);
    Vector<S> out;
    MAPT_UNROLL for (int i = 0; i < kVector<T>; ++i) {
      out.at[i] = S(w.w00 * static_cast<C>(c00.at[i]) + w.w01 * static_cast<C>(c01.at[i]) +
                    (w.w10 * static_cast<C>(c10.at[i]) + w.w11 * static_cast<C>(c11.at[i])));
    }
    return out;
  }
};

template <class S>
MAPT_DEVICE Vector<S> zero_vector() {
  Vector<S> zero;
  MAPT_UNROLL for (int i = 0; i < kVector<S>; ++i) zero.at[i] = S(0.F);
  return zero;
}

// Calls start(tag of S): the type of factors that a convolution of T is computed with.
template <class S>
struct Tag {
  using type = S;
};
template <class F>
const char* with_factors(const float*, bool tf32, F start) {
  return tf32 ? start(Tag<Tf32>{}) : start(Tag<float>{});
}
template <class T, class F>
const char* with_factors(const T*, bool, F start) {
  return start(Tag<T>{});
}

MAPT_END
