// Gradients of a convolution of many channels. Those of samples and of weights are matrix products, in tiles of shared
// memory (cuda/multiply.cuh). Channels are the last axis of everything between, so that loads are vectors.
#pragma once

#include "operators/deform_conv/backward_products.cuh"
#include "operators/deform_conv/sample_index.cuh"

MAPT_BEGIN

// The gradients of both offsets of a tap at an output pixel. kLanes threads add up the channels, in vectors.
template <class T, class C, class S>
struct WideOffsetGradient {
  static constexpr int kThreads = 128, kBlocks = 4, kLanes = 8;
  struct Shared {
    C y[kThreads], x[kThreads];
  };

  ChannelsLast<T, C, S> in;
  const C* columns;
  C* out;

  MAPT_INLINE int64_t fields() const { return in.p.shared ? 1 : in.p.batch; }
  int64_t blocks() const { return ceil_div(fields() * in.p.out_pixels() * in.p.taps(), kThreads / kLanes); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    const DeformConv<T, C>& p = in.p;
    const int64_t at = block * (kThreads / kLanes) + thread() / kLanes, taps = p.taps(), pixels = p.out_pixels();
    const int64_t tap = at % taps, pixel = at / taps % pixels, field = at / taps / pixels;
    C y = 0, x = 0;
    if (field < fields()) {
      const auto s = tap_sample(p, in.field(field), tap, pixel);
      const int64_t first = p.shared ? 0 : field, last = p.shared ? p.batch : field + 1;
      for (int64_t n = first; s.inside && n < last; ++n) add(n, s, (n * pixels + pixel) * taps + tap, y, x);
    }
    shared.y[thread()] = y;
    shared.x[thread()] = x;
    __syncthreads();
    if (thread() % kLanes != 0 || field >= fields()) return;
    for (int lane = 1; lane < kLanes; ++lane) {
      y += shared.y[thread() + lane];
      x += shared.x[thread() + lane];
    }
    C* to = out + (field * taps + tap) * 2 * pixels + pixel;
    to[0] = y;
    to[pixels] = x;
  }

 private:
  MAPT_DEVICE void add(int64_t n, const Sample<C, int32_t>& s, int64_t number, C& y, C& x) const {
    const Border border = in.border();
    const int width = in.width();
    const T* cell = in.image(n) + ((s.y + 1) * border.pitch() + s.x + 1) * width;
    const C* gradients = columns + number * width;
    for (int c = thread() % kLanes * kVector<T>; c < width; c += kLanes * kVector<T>) {
      const auto load = [c](const T* from) { return *reinterpret_cast<const Vector<T>*>(from + c); };
      const Vector<T> c00 = load(cell), c01 = load(cell + width);
      const Vector<T> c10 = load(cell + border.pitch() * width), c11 = load(cell + (border.pitch() + 1) * width);
      MAPT_UNROLL for (int i = 0; i < kVector<T>; ++i) {
        const Corners<C> corners{static_cast<C>(c00.at[i]), static_cast<C>(c01.at[i]), static_cast<C>(c10.at[i]),
                                 static_cast<C>(c11.at[i])};
        C by_y, by_x;
        bilinear_slopes(corners, s.ly, s.lx, by_y, by_x);
        y += gradients[c + i] * by_y;
        x += gradients[c + i] * by_x;
      }
    }
  }
};

// The gradient of kCells cells of an image, for kLanes vectors of channels. A thread adds a vector over all samples
// that read a cell.
template <class T, class C, class S>
struct WideInputGradient {
  static constexpr int kThreads = 128, kBlocks = 4, kLanes = 4, kCells = kThreads / kLanes;
  static constexpr int kChannels = kLanes * kVector<C>;
  struct Shared {
    C sums[kChannels][kCells + 1];
  };

  ChannelsLast<T, C, S> in;
  SampleIndex<T, C> index;
  const C* columns;
  T* out;

  MAPT_INLINE int64_t groups() const { return ceil_div(in.width(), kChannels); }
  MAPT_INLINE int64_t tiles() const { return ceil_div(in.p.height * in.p.width, kCells); }
  int64_t blocks() const { return in.p.batch * tiles() * groups(); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    const DeformConv<T, C>& p = in.p;
    const int64_t first = block % groups() * kChannels, tile = block / groups() % tiles(),
                  n = block / groups() / tiles();
    const int64_t plane = p.height * p.width, cell = tile * kCells + thread() / kLanes;
    const int lane = thread() % kLanes * kVector<C>;
    Vector<C> sums = zero_vector<C>();
    if (cell < plane && first + lane < in.width()) add(n, cell, first + lane, sums);
    MAPT_UNROLL for (int i = 0; i < kVector<C>; ++i) shared.sums[lane + i][thread() / kLanes] = sums.at[i];
    __syncthreads();
    for (int i = thread(); i < kChannels * kCells; i += kThreads) {
      const int64_t c = first + i / kCells, to = tile * kCells + i % kCells;
      if (c < p.channels && to < plane) {
        out[(n * p.channels + c) * plane + to] = static_cast<T>(shared.sums[i / kCells][i % kCells]);
      }
    }
  }

 private:
  MAPT_DEVICE void add(int64_t n, int64_t cell, int64_t c, Vector<C>& sums) const {
    const int64_t field = in.p.shared ? 0 : n, y = cell / in.p.width, x = cell - y * in.p.width;
    const int64_t samples = index.samples();
    const C* from = columns + n * samples * in.width() + c;
    for (int corner = 0; corner < 4; ++corner) {
      const int64_t dy = corner / 2, dx = corner % 2, at = (y - dy + 1) * index.pitch() + (x - dx + 1);
      const int32_t end = index.end(field, at);
      for (int32_t k = index.begin(field, at); k < end; ++k) {
        const int64_t slot = field * samples + k;
        const C ly = index.parts[2 * slot], lx = index.parts[2 * slot + 1];
        const C weight = (dy ? ly : C(1) - ly) * (dx ? lx : C(1) - lx);
        const auto read =
            *reinterpret_cast<const Vector<C>*>(from + static_cast<int64_t>(index.order[slot]) * in.width());
        MAPT_UNROLL for (int i = 0; i < kVector<C>; ++i) sums.at[i] += weight * read.at[i];
      }
    }
  }
};

template <class T, class C, class S>
class WideGradient {
 public:
  // `S` is only chosen when the kernels start, and its size is T's.
  WideGradient(const DeformConvGrad<T, C>& g, Arena& arena) : g_(g), in_{g.forward}, index_{g.forward, true} {
    const bool samples = g.grad_input || g.grad_offset;
    in_.allocate(arena, g.grad_offset || g.grad_weight, samples, true);
    if (samples) columns_ = arena.take<C>(g.forward.batch, g.forward.out_pixels(), in_.columns());
    if (g.grad_input) index_.allocate(arena);
    if (g.grad_weight) parts_ = arena.take<C>(lanes(), in_.columns(), g.forward.filters);
  }

  const char* start(Stream stream) const {
    const char* error = lay_out(in_, true, stream);
    if (columns_) error = first_error(error, samples(stream));
    if (g_.grad_offset) {
      const WideOffsetGradient<T, C, S> kernel{in_, columns_, g_.grad_offset};
      error = first_error(error, launch_blocks(stream, kernel.blocks(), kernel));
    }
    if (g_.grad_input) {
      const WideInputGradient<T, C, S> kernel{in_, index_, columns_, g_.grad_input};
      error = first_error(error, build(index_, stream));
      error = first_error(error, launch_blocks(stream, kernel.blocks(), kernel));
    }
    return g_.grad_weight ? first_error(error, weights(stream)) : error;
  }

 private:
  // Sums of doubles do not fit the registers of a large tile.
  static constexpr bool kHasLarge = sizeof(T) < sizeof(double);
  bool is_large() const { return kHasLarge && g_.forward.filters > 64 && g_.forward.channels >= 64; }

  // Chooses the lanes by sizes alone: blocks for a large GPU, and at least eight steps for each.
  int64_t lanes() const {
    const int64_t side = is_large() ? LargeShape::kRows : SmallShape::kRows, wanted = is_large() ? 264 : 528;
    const int64_t tiles = ceil_div(g_.forward.filters, side) * ceil_div(in_.columns(), side);
    const int64_t steps = g_.forward.batch * ceil_div(g_.forward.out_pixels(), kDepth<S>);
    return max<int64_t>(1, min(ceil_div(wanted, max<int64_t>(1, tiles)), steps / 8));
  }

  const char* samples(Stream stream) const {
    if constexpr (kHasLarge) {
      if (is_large()) return multiply_samples<LargeShape>(stream);
    }
    return multiply_samples<SmallShape>(stream);
  }

  template <class Shape>
  const char* multiply_samples(Stream stream) const {
    const FiltersTimesGradients<T, C, S, Shape> factors{in_, g_.grad_out, columns_};
    return launch_blocks(stream, factors.blocks(), Multiply<FiltersTimesGradients<T, C, S, Shape>, Shape>{factors});
  }

  // A large tile spans at most three taps, a small one ten.
  const char* weights(Stream stream) const {
    if constexpr (kHasLarge) {
      if (is_large()) return multiply_weights<LargeShape, 3>(stream);
    }
    return multiply_weights<SmallShape, 10>(stream);
  }

  template <class Shape, int TAPS>
  const char* multiply_weights(Stream stream) const {
    using Factors = GradientsTimesSamples<T, C, S, Shape, TAPS>;
    const Factors factors{in_, g_.grad_out, parts_, lanes()};
    const char* error = launch_blocks(stream, factors.blocks(), Multiply<Factors, Shape>{factors});
    return first_error(error, launch(stream, in_.columns(), g_.forward.filters,
                                     AddFilterParts<T, C, S>{in_, parts_, lanes(), g_.grad_weight}));
  }

  DeformConvGrad<T, C> g_;
  ChannelsLast<T, C, S> in_;
  SampleIndex<T, C> index_;
  C *columns_ = nullptr, *parts_ = nullptr;
};

MAPT_END
