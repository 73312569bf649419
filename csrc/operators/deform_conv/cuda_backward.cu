// The backward pass of deformable convolution on a GPU. It has no float atomics: each element of a gradient belongs to
// one thread, which adds in a fixed order, so every run gives the same bits. The input's gradient needs the samples
// that read each cell. sample_index.cuh finds them once per offset field, for all images and channels.
#include "operators/deform_conv/sample_index.cuh"

MAPT_BEGIN

constexpr int kColumns = 8;     // (channel, tap) pairs per thread
constexpr int kPlanes = 4;      // input planes per thread
constexpr int kSummed = 16;     // filters per thread
constexpr int64_t kParts = 32;  // neighbouring threads that share a sum

// Computes columns (batch, channels * taps, out_pixels), the gradients of all samples.
template <class T>
struct SampleGradient {
  DeformConvGrad<T> g;
  T* columns;

  MAPT_INLINE void operator()(int64_t row, int64_t pixel) const {
    const DeformConv<T>& p = g.forward;
    const int64_t width = p.channels * p.taps(), chunks = ceil_div(width, kColumns), pixels = p.out_pixels();
    const int64_t n = row / chunks, first = row % chunks * kColumns;
    T sums[kColumns];
    MAPT_UNROLL for (int i = 0; i < kColumns; ++i) sums[i] = T(0);
    for (int64_t f = 0; f < p.filters; ++f) {
      const T gradient = g.grad_out[(n * p.filters + f) * pixels + pixel];
      const T* weight = p.weight + f * width + first;
      MAPT_UNROLL for (int i = 0; i < kColumns; ++i) {
        if (first + i < width) sums[i] += weight[i] * gradient;
      }
    }
    MAPT_UNROLL for (int i = 0; i < kColumns; ++i) {
      if (first + i < width) columns[(n * width + first + i) * pixels + pixel] = sums[i];
    }
  }
};

// Computes the gradients of both offsets of a tap at an output pixel, over all channels and all images of the field.
template <class T>
struct OffsetGradient {
  DeformConvGrad<T> g;
  const T* columns;

  MAPT_INLINE void operator()(int64_t row, int64_t pixel) const {
    const DeformConv<T>& p = g.forward;
    const int64_t taps = p.taps(), tap = row % taps, field = row / taps, pixels = p.out_pixels();
    const int64_t first = p.shared ? 0 : field * p.channels,
                  last = p.shared ? p.batch * p.channels : first + p.channels;
    const auto s = tap_sample(p, p.offset + field * 2 * taps * pixels, tap, pixel);
    T y = 0, x = 0;
    for (int64_t plane = first; s.inside && plane < last; ++plane) {
      const Corners<T> corners = corners_at<T>(p.input + plane * p.height * p.width, s, p.height, p.width);
      const T gradient = columns[(plane * taps + tap) * pixels + pixel];
      T by_y, by_x;
      bilinear_slopes(corners, s.ly, s.lx, by_y, by_x);
      y += gradient * by_y;
      x += gradient * by_x;
    }
    T* out = g.grad_offset + (field * taps + tap) * 2 * pixels + pixel;
    out[0] = y;
    out[pixels] = x;
  }
};

// Computes the gradient of a cell of kPlanes input planes that share a field, over all samples that read it.
template <class T>
struct InputGradient {
  DeformConvGrad<T> g;
  const T* columns;
  SampleIndex<T> index;

  MAPT_INLINE void operator()(int64_t row, int64_t cell) const {
    const DeformConv<T>& p = g.forward;
    const int64_t of_field = p.shared ? p.batch * p.channels : p.channels, chunks = ceil_div(of_field, kPlanes);
    const int64_t field = row / chunks, first = row % chunks * kPlanes;
    const int64_t count = min<int64_t>(kPlanes, of_field - first), y = cell / p.width, x = cell % p.width;
    const int64_t samples = index.samples(), plane = p.height * p.width;
    const T* from = columns + (field * of_field + first) * samples;
    T sums[kPlanes];
    MAPT_UNROLL for (int i = 0; i < kPlanes; ++i) sums[i] = T(0);
    for (int corner = 0; corner < 4; ++corner) {
      const int64_t dy = corner / 2, dx = corner % 2;
      const int64_t at = field * index.cells() + (y - dy + 1) * index.pitch() + (x - dx + 1);
      for (int32_t k = index.begin(at); k < index.end(at); ++k) {
        const int64_t slot = field * samples + k;
        const T ly = index.parts[2 * slot], lx = index.parts[2 * slot + 1];
        const T weight = (dy ? ly : T(1) - ly) * (dx ? lx : T(1) - lx);
        MAPT_UNROLL for (int i = 0; i < kPlanes; ++i) {
          if (i < count) sums[i] += weight * from[i * samples + index.order[slot]];
        }
      }
    }
    T* out = g.grad_input + (field * of_field + first) * plane + cell;
    MAPT_UNROLL for (int i = 0; i < kPlanes; ++i) {
      if (i < count) out[i * plane] = sums[i];
    }
  }
};

// Computes parts (lanes, filters * (channels * taps)). Each lane adds the weights' gradients over every lanes-th output
// pixel. With `bias`, it computes parts (lanes, filters) of the bias's gradient.
template <class T>
struct FilterParts {
  DeformConvGrad<T> g;
  T* parts;
  int64_t lanes;
  bool bias;

  MAPT_INLINE void operator()(int64_t row, int64_t lane) const {
    const DeformConv<T>& p = g.forward;
    const int64_t taps = p.taps(), width = bias ? 1 : p.channels * taps, pixels = p.out_pixels();
    const int64_t column = row % width, filter = row / width * kSummed;
    const int64_t channel = column / taps, tap = column % taps;
    T sums[kSummed];
    MAPT_UNROLL for (int f = 0; f < kSummed; ++f) sums[f] = T(0);
    for (int64_t n = 0; n < p.batch; ++n) {
      const T* field = p.offset + (p.shared ? 0 : n) * 2 * taps * pixels;
      const T* map = p.input + (n * p.channels + channel) * p.height * p.width;
      const T* from = g.grad_out + (n * p.filters + filter) * pixels;
      for (int64_t pixel = lane; pixel < pixels; pixel += lanes) {
        const T sample = bias ? T(1) : bilinear_at<T>(map, tap_sample(p, field, tap, pixel), p.height, p.width);
        MAPT_UNROLL for (int f = 0; f < kSummed; ++f) {
          if (filter + f < p.filters) sums[f] += sample * from[f * pixels + pixel];
        }
      }
    }
    MAPT_UNROLL for (int f = 0; f < kSummed; ++f) {
      if (filter + f < p.filters) parts[(lane * p.filters + filter + f) * width + column] = sums[f];
    }
  }
};

template <class T>
struct AddParts {
  const T* parts;
  T* out;
  int64_t lanes, count;
  MAPT_INLINE void operator()(int64_t, int64_t i) const {
    T sum = 0;
    for (int64_t lane = 0; lane < lanes; ++lane) sum += parts[lane * count + i];
    out[i] = sum;
  }
};

// Chooses the lanes by sizes alone. There are enough threads for a GPU, and each has several pixels to add.
template <class T>
int64_t lanes_of(const DeformConv<T>& p) {
  const int64_t rows = ceil_div(p.filters, kSummed) * p.channels * p.taps();
  const int64_t wanted = ceil_div(int64_t{1} << 16, max<int64_t>(1, rows * kParts));
  return kParts * max<int64_t>(1, min(wanted, p.out_pixels() / (16 * kParts)));
}

template <class T>
struct Workspace {
  T *columns, *parts;
  SampleIndex<T> index;

  Workspace(const DeformConvGrad<T>& g, Arena& arena) : index{g.forward} {
    const DeformConv<T>& p = g.forward;
    const int64_t width = p.channels * p.taps();
    columns = g.grad_input || g.grad_offset ? arena.take<T>(p.batch, width, p.out_pixels()) : nullptr;
    parts = arena.take<T>(lanes_of(p), p.filters, max<int64_t>(1, width));
    if (g.grad_input) index.allocate(arena);
  }
};

template <class T>
const char* add_filters(const DeformConvGrad<T>& g, const Workspace<T>& workspace, bool bias, Stream stream) {
  const DeformConv<T>& p = g.forward;
  const int64_t lanes = lanes_of(p), width = bias ? 1 : p.channels * p.taps(), rows = ceil_div(p.filters, kSummed);
  const char* error = launch(stream, rows * width, lanes, FilterParts<T>{g, workspace.parts, lanes, bias});
  T* out = bias ? g.grad_bias : g.grad_weight;
  return first_error(error,
                     launch(stream, 1, p.filters * width, AddParts<T>{workspace.parts, out, lanes, p.filters * width}));
}

template <class T>
const char* deform_conv2d_backward(const DeformConvGrad<T>& g, const Workspace<T>& workspace, Stream stream) {
  const DeformConv<T>& p = g.forward;
  const int64_t fields = p.shared ? 1 : p.batch, planes = p.batch * p.channels / max<int64_t>(1, fields);
  const int64_t chunks = ceil_div(p.channels * p.taps(), kColumns);
  const char* error = nullptr;
  if (workspace.columns) {
    error = launch(stream, p.batch * chunks, p.out_pixels(), SampleGradient<T>{g, workspace.columns});
  }
  if (g.grad_offset) {
    error =
        first_error(error, launch(stream, fields * p.taps(), p.out_pixels(), OffsetGradient<T>{g, workspace.columns}));
  }
  if (g.grad_input) {
    error = first_error(error, build(workspace.index, stream));
    error = first_error(error, launch(stream, fields * ceil_div(planes, kPlanes), p.height * p.width,
                                      InputGradient<T>{g, workspace.columns, workspace.index}));
  }
  if (g.grad_weight) error = first_error(error, add_filters(g, workspace, false, stream));
  if (g.grad_bias) error = first_error(error, add_filters(g, workspace, true, stream));
  return error;
}

template <class T>
struct KernelOf<DeformConvGrad<T>> {
  static Workspace<T> allocate(const DeformConvGrad<T>& g, Arena& arena) { return {g, arena}; }
  static const char* start(const DeformConvGrad<T>& g, const Workspace<T>& workspace, Stream stream) {
    return deform_conv2d_backward(g, workspace, stream);
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_BACKWARD(deform_conv2d_backward, DeformConvGrad)

}  // namespace mapt
