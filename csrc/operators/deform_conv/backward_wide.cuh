// Gradients of a convolution of many channels. Those of samples and of weights are matrix products, in tiles of shared
// memory (cuda/multiply.cuh). Channels are the last axis of everything between, so that loads are vectors.
#pragma once

#include "operators/deform_conv/channels_last.cuh"
#include "operators/deform_conv/sample_index.cuh"

MAPT_BEGIN

// Filters (rows: (tap, channel)) times gradients (columns: output pixels), summed along filters. The result is columns
// (batch, out_pixels, taps, width), the gradients of all samples.
template <class T, class C, class S, class Shape>
struct FiltersTimesGradients {
  using Stored = S;
  struct Shared {};
  struct Work {
    int64_t image, row, pixel;
    int steps;
  };

  ChannelsLast<T, C, S> in;
  const T* grad_out;
  C* columns;

  MAPT_INLINE int64_t row_tiles() const { return ceil_div(in.columns(), Shape::kRows); }
  MAPT_INLINE int64_t pixel_tiles() const { return ceil_div(in.p.out_pixels(), Shape::kColumns); }
  int64_t blocks() const { return in.p.batch * pixel_tiles() * row_tiles(); }

  MAPT_DEVICE Work work(int64_t block) const {
    const int64_t tile = block / row_tiles();
    return {tile / pixel_tiles(), block % row_tiles() * Shape::kRows, tile % pixel_tiles() * Shape::kColumns,
            static_cast<int>(ceil_div(in.p.filters, kDepth<S>))};
  }

  MAPT_DEVICE void prepare(const Work&, Shared&, int) const {}

  MAPT_DEVICE void fill(const Work& work, Shared&, int step, Tile<Shape::kRows>& a, Tile<Shape::kColumns>& b) const {
    const int first = step * kDepth<S>;
    MAPT_UNROLL_BY(1) for (int i = thread(); i < Shape::kRows * kVectors; i += Shape::kThreads) {
      const int row = i / kVectors, v = i % kVectors, filter = first + v * kVector<S>;
      const S* from = in.weights + (work.row + row) * in.filter_width() + filter;
      const bool known = work.row + row < in.columns() && filter < in.filter_width();
      a.template vector<S>(row, v) = known ? *reinterpret_cast<const Vector<S>*>(from) : zero_vector<S>();
    }
    MAPT_UNROLL_BY(1) for (int i = thread(); i < Shape::kColumns * kVectors; i += Shape::kThreads) {
      const int column = i % Shape::kColumns, v = i / Shape::kColumns;
      b.template vector<S>(column, v) = gradients(work, first + v * kVector<S>, work.pixel + column);
    }
  }

  MAPT_DEVICE void write(const Work& work, int row, int column, C sum) const {
    const int64_t pixel = work.pixel + column;
    if (pixel >= in.p.out_pixels() || work.row + row >= in.columns()) return;
    columns[(work.image * in.p.out_pixels() + pixel) * in.columns() + work.row + row] = sum;
  }

 private:
  // Of neighbouring filters at a pixel.
  MAPT_DEVICE Vector<S> gradients(const Work& work, int64_t filter, int64_t pixel) const {
    const DeformConv<T, C>& p = in.p;
    const T* from = grad_out + (work.image * p.filters + filter) * p.out_pixels() + pixel;
    Vector<S> out;
    MAPT_UNROLL for (int k = 0; k < kVector<S>; ++k) {
      const bool known = pixel < p.out_pixels() && filter + k < p.filters;
      out.at[k] = known ? S(static_cast<C>(from[k * p.out_pixels()])) : S(0.F);
    }
    return out;
  }
};

// Gradients (rows: filters) times samples (columns: (tap, channel)), summed along output pixels and images. Each lane
// sums its share of the steps, into parts (lanes, taps * width, filters).
template <class T, class C, class S, class Shape, int TAPS>
struct GradientsTimesSamples {
  using Stored = S;
  struct Shared {
    SampleTable<C, TAPS * kDepth<S>> samples[2];  // of a step and of the next: of the tile's taps, the step's pixels
  };
  struct Work {
    int64_t filter, column, lane, first;  // step
    int steps;
  };

  ChannelsLast<T, C, S> in;
  const T* grad_out;
  C* parts;
  int64_t lanes;

  MAPT_INLINE int64_t filter_tiles() const { return ceil_div(in.p.filters, Shape::kRows); }
  MAPT_INLINE int64_t column_tiles() const { return ceil_div(in.columns(), Shape::kColumns); }
  MAPT_INLINE int64_t image_steps() const { return ceil_div(in.p.out_pixels(), kDepth<S>); }
  int64_t blocks() const { return lanes * filter_tiles() * column_tiles(); }

  MAPT_DEVICE Work work(int64_t block) const {
    const int64_t tiles = filter_tiles() * column_tiles(), tile = block % tiles, lane = block / tiles;
    const int64_t all = in.p.batch * image_steps(), first = all * lane / lanes;
    return {tile % filter_tiles() * Shape::kRows, tile / filter_tiles() * Shape::kColumns, lane, first,
            static_cast<int>(all * (lane + 1) / lanes - first)};
  }

  MAPT_DEVICE void prepare(const Work& work, Shared& shared, int step) const {
    if (step >= work.steps) return;
    const int64_t n = (work.first + step) / image_steps(), first = (work.first + step) % image_steps() * kDepth<S>;
    for (int i = thread(); i < TAPS * kDepth<S>; i += Shape::kThreads) {
      shared.samples[step % 2].locate(i, in.p, in.field(n), work.column / in.width() + i / kDepth<S>,
                                      first + i % kDepth<S>);
    }
  }

  MAPT_DEVICE void fill(const Work& work, Shared& shared, int step, Tile<Shape::kRows>& a,
                        Tile<Shape::kColumns>& b) const {
    const int64_t n = (work.first + step) / image_steps(), first = (work.first + step) % image_steps() * kDepth<S>;
    if (step >= work.steps) return;
    MAPT_UNROLL_BY(1) for (int i = thread(); i < Shape::kRows * kVectors; i += Shape::kThreads) {
      const int row = i / kVectors, v = i % kVectors;
      a.template vector<S>(row, v) = gradients(n, work.filter + row, first + v * kVector<S>);
    }
    const auto& samples = shared.samples[step % 2];
    const int64_t pitch = in.border().pitch(), first_tap = work.column / in.width();
    MAPT_UNROLL_BY(1) for (int i = thread(); i < Shape::kColumns / kVector<S> * kDepth<S>; i += Shape::kThreads) {
      const int v = i % (Shape::kColumns / kVector<S>)*kVector<S>, k = i / (Shape::kColumns / kVector<S>);
      const int64_t column = work.column + v, tap = column / in.width();
      Vector<S> found = zero_vector<S>();
      if (column < in.columns()) {
        found = samples.template gather<S>(static_cast<int>(tap - first_tap) * kDepth<S> + k,
                                           in.image(n) + (column - tap * in.width()), in.width(), pitch);
      }
      MAPT_UNROLL for (int c = 0; c < kVector<S>; ++c) b.template row<S>(v + c)[k] = found.at[c];
    }
  }

  MAPT_DEVICE void write(const Work& work, int row, int column, C sum) const {
    const int64_t filter = work.filter + row, place = work.column + column;
    if (filter >= in.p.filters || place >= in.columns()) return;
    parts[(work.lane * in.columns() + place) * in.p.filters + filter] = sum;
  }

 private:
  // Of neighbouring pixels.
  MAPT_DEVICE Vector<S> gradients(int64_t n, int64_t filter, int64_t pixel) const {
    const DeformConv<T, C>& p = in.p;
    const T* from = grad_out + (n * p.filters + filter) * p.out_pixels() + pixel;
    Vector<S> out;
    MAPT_UNROLL for (int k = 0; k < kVector<S>; ++k) {
      const bool known = filter < p.filters && pixel + k < p.out_pixels();
      out.at[k] = known ? S(static_cast<C>(from[k])) : S(0.F);
    }
    return out;
  }
};

// Adds parts (lanes, taps * width, filters) to the weights' gradient.
template <class T, class C, class S>
struct AddFilterParts {
  ChannelsLast<T, C, S> in;
  const C* parts;
  int64_t lanes;
  T* out;

  MAPT_INLINE void operator()(int64_t column, int64_t filter) const {
    const int64_t tap = column / in.width(), channel = column % in.width(), filters = in.p.filters;
    if (channel >= in.p.channels) return;
    C sum = 0;
    for (int64_t lane = 0; lane < lanes; ++lane) sum += parts[(lane * in.columns() + column) * filters + filter];
    out[(filter * in.p.channels + channel) * in.p.taps() + tap] = static_cast<T>(sum);
  }
};

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
