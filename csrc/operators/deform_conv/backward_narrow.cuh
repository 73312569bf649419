// Gradients of a convolution of few channels. Each element of a gradient belongs to one thread, which adds in a fixed
// order.
#pragma once

#include "operators/deform_conv/sample_index.cuh"

MAPT_BEGIN

constexpr int kColumns = 8;     // (channel, tap) pairs per thread
constexpr int kPlanes = 4;      // input planes per thread
constexpr int kSummed = 16;     // filters per thread
constexpr int64_t kParts = 32;  // neighbouring threads that share a sum

// Computes columns (batch, channels * taps, out_pixels), the gradients of all samples.
template <class T, class C>
struct SampleGradient {
  DeformConvGrad<T, C> g;
  C* columns;

  MAPT_INLINE void operator()(int64_t row, int64_t pixel) const {
    const DeformConv<T, C>& p = g.forward;
    const int64_t width = p.channels * p.taps(), chunks = ceil_div(width, kColumns), pixels = p.out_pixels();
    const int64_t n = row / chunks, first = row % chunks * kColumns;
    C sums[kColumns];
    MAPT_UNROLL for (int i = 0; i < kColumns; ++i) sums[i] = C(0);
    for (int64_t f = 0; f < p.filters; ++f) {
      const C gradient = static_cast<C>(g.grad_out[(n * p.filters + f) * pixels + pixel]);
      const T* weight = p.weight + f * width + first;
      MAPT_UNROLL for (int i = 0; i < kColumns; ++i) {
        if (first + i < width) sums[i] += static_cast<C>(weight[i]) * gradient;
      }
    }
    MAPT_UNROLL for (int i = 0; i < kColumns; ++i) {
      if (first + i < width) columns[(n * width + first + i) * pixels + pixel] = sums[i];
    }
  }
};

// Computes the gradients of both offsets of a tap at an output pixel, over all channels and all images of the field.
template <class T, class C>
struct OffsetGradient {
  DeformConvGrad<T, C> g;
  const C* columns;

  MAPT_INLINE void operator()(int64_t row, int64_t pixel) const {
    const DeformConv<T, C>& p = g.forward;
    const int64_t taps = p.taps(), tap = row % taps, field = row / taps, pixels = p.out_pixels();
    const int64_t first = p.shared ? 0 : field * p.channels,
                  last = p.shared ? p.batch * p.channels : first + p.channels;
    const auto s = tap_sample(p, p.offset + field * 2 * taps * pixels, tap, pixel);
    C y = 0, x = 0;
    for (int64_t plane = first; s.inside && plane < last; ++plane) {
      const Corners<C> corners = corners_at<C>(p.input + plane * p.height * p.width, s, p.height, p.width);
      const C gradient = columns[(plane * taps + tap) * pixels + pixel];
      C by_y, by_x;
      bilinear_slopes(corners, s.ly, s.lx, by_y, by_x);
      y += gradient * by_y;
      x += gradient * by_x;
    }
    C* out = g.grad_offset + (field * taps + tap) * 2 * pixels + pixel;
    out[0] = y;
    out[pixels] = x;
  }
};

// Computes the gradient of a cell of kPlanes input planes that share a field, over all samples that read it.
template <class T, class C>
struct InputGradient {
  DeformConvGrad<T, C> g;
  const C* columns;
  SampleIndex<T, C> index;

  MAPT_INLINE void operator()(int64_t row, int64_t cell) const {
    const DeformConv<T, C>& p = g.forward;
    const int64_t of_field = p.shared ? p.batch * p.channels : p.channels, chunks = ceil_div(of_field, kPlanes);
    const int64_t field = row / chunks, first = row % chunks * kPlanes;
    const int64_t count = min<int64_t>(kPlanes, of_field - first), y = cell / p.width, x = cell % p.width;
    const int64_t samples = index.samples(), plane = p.height * p.width;
    const C* from = columns + (field * of_field + first) * samples;
    C sums[kPlanes];
    MAPT_UNROLL for (int i = 0; i < kPlanes; ++i) sums[i] = C(0);
    for (int corner = 0; corner < 4; ++corner) {
      const int64_t dy = corner / 2, dx = corner % 2, at = (y - dy + 1) * index.pitch() + (x - dx + 1);
      for (int32_t k = index.begin(field, at); k < index.end(field, at); ++k) {
        const int64_t slot = field * samples + k;
        const C ly = index.parts[2 * slot], lx = index.parts[2 * slot + 1];
        const C weight = (dy ? ly : C(1) - ly) * (dx ? lx : C(1) - lx);
        MAPT_UNROLL for (int i = 0; i < kPlanes; ++i) {
          if (i < count) sums[i] += weight * from[i * samples + index.order[slot]];
        }
      }
    }
    T* out = g.grad_input + (field * of_field + first) * plane + cell;
    MAPT_UNROLL for (int i = 0; i < kPlanes; ++i) {
      if (i < count) out[i * plane] = static_cast<T>(sums[i]);
    }
  }
};

// Computes parts (filters * (channels * taps), lanes). Each lane adds the weights' gradients over every lanes-th output
// pixel of all images.
template <class T, class C>
struct FilterParts {
  DeformConvGrad<T, C> g;
  C* parts;
  int64_t lanes;

  MAPT_INLINE void operator()(int64_t row, int64_t lane) const {
    const DeformConv<T, C>& p = g.forward;
    const int64_t taps = p.taps(), width = p.channels * taps, pixels = p.out_pixels();
    const int64_t column = row % width, filter = row / width * kSummed;
    const int64_t channel = column / taps, tap = column % taps;
    C sums[kSummed];
    MAPT_UNROLL for (int f = 0; f < kSummed; ++f) sums[f] = C(0);
    for (int64_t at = lane; at < p.batch * pixels; at += lanes) {
      const int64_t n = at / pixels, pixel = at - n * pixels;
      const C* field = p.offset + (p.shared ? 0 : n) * 2 * taps * pixels;
      const T* map = p.input + (n * p.channels + channel) * p.height * p.width;
      const T* from = g.grad_out + (n * p.filters + filter) * pixels + pixel;
      const C sample = bilinear_at<C>(map, tap_sample(p, field, tap, pixel), p.height, p.width);
      MAPT_UNROLL for (int f = 0; f < kSummed; ++f) {
        if (filter + f < p.filters) sums[f] += sample * static_cast<C>(from[f * pixels]);
      }
    }
    MAPT_UNROLL for (int f = 0; f < kSummed; ++f) {
      if (filter + f < p.filters) parts[((filter + f) * width + column) * lanes + lane] = sums[f];
    }
  }
};

// A block adds the parts of an element.
template <class T, class C>
struct AddLanes {
  static constexpr int kThreads = 128, kBlocks = 8;
  struct Shared {
    C sums[kThreads];
  };

  const C* parts;
  T* out;
  int64_t lanes;

  MAPT_DEVICE void operator()(Shared& shared, int64_t element) const {
    C sum = 0;
    for (int64_t lane = thread(); lane < lanes; lane += kThreads) sum += parts[element * lanes + lane];
    sum = block_sum(shared.sums, sum);
    if (thread() == 0) out[element] = static_cast<T>(sum);
  }
};

// Chooses the lanes by sizes alone. There are enough threads for a GPU, and each has several pixels to add.
template <class T, class C>
int64_t lanes_of(const DeformConv<T, C>& p) {
  const int64_t rows = ceil_div(p.filters, kSummed) * p.channels * p.taps();
  const int64_t wanted = ceil_div(int64_t{1} << 16, max<int64_t>(1, rows * kParts));
  return kParts * max<int64_t>(1, min(wanted, p.batch * p.out_pixels() / (8 * kParts)));
}

template <class T, class C>
struct NarrowGradient {
  DeformConvGrad<T, C> g;
  C *columns, *parts;
  SampleIndex<T, C> index;

  NarrowGradient(const DeformConvGrad<T, C>& g, Arena& arena) : g(g), index{g.forward, false} {
    const DeformConv<T, C>& p = g.forward;
    const int64_t width = p.channels * p.taps();
    columns = g.grad_input || g.grad_offset ? arena.take<C>(p.batch, width, p.out_pixels()) : nullptr;
    parts = g.grad_weight ? arena.take<C>(lanes_of(p), p.filters, width) : nullptr;
    if (g.grad_input) index.allocate(arena);
  }

  const char* start(Stream stream) const {
    const DeformConv<T, C>& p = g.forward;
    const int64_t fields = p.shared ? 1 : p.batch, width = p.channels * p.taps();
    const char* error = nullptr;
    if (columns) {
      error = launch(stream, p.batch * ceil_div(width, kColumns), p.out_pixels(), SampleGradient<T, C>{g, columns});
    }
    if (g.grad_offset) {
      error = first_error(error, launch(stream, fields * p.taps(), p.out_pixels(), OffsetGradient<T, C>{g, columns}));
    }
    if (g.grad_input) {
      const int64_t planes = p.shared ? p.batch * p.channels : p.channels;
      error = first_error(error, build(index, stream));
      error = first_error(error, launch(stream, fields * ceil_div(planes, kPlanes), p.height * p.width,
                                        InputGradient<T, C>{g, columns, index}));
    }
    return g.grad_weight ? first_error(error, add_filters(stream)) : error;
  }

 private:
  const char* add_filters(Stream stream) const {
    const DeformConv<T, C>& p = g.forward;
    const int64_t lanes = lanes_of(p), width = p.channels * p.taps(), rows = ceil_div(p.filters, kSummed) * width;
    const char* error = launch(stream, rows, lanes, FilterParts<T, C>{g, parts, lanes});
    return first_error(error, launch_blocks(stream, p.filters * width, AddLanes<T, C>{parts, g.grad_weight, lanes}));
  }
};

MAPT_END
