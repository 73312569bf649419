// The matrix products of the gradients of a convolution of many channels (cuda/multiply.cuh).
#pragma once

#include "operators/deform_conv/channels_last.cuh"

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

MAPT_END
