// The forward pass of deformable convolution on a GPU. Few channels are multiplied as they are sampled. Many are
// gathered into tiles of shared memory, and multiplied there with the filters.
#include "operators/deform_conv/channels_last.cuh"

MAPT_BEGIN

// A thread computes FILTERS filters at an output pixel of IMAGES images that share an offset field. A sampling point
// thus serves IMAGES samples, and a sample FILTERS products. SINGLE: there is one channel.
template <class T, class C, int IMAGES, int FILTERS, bool SINGLE>
struct Convolve {
  static constexpr int kThreads = 128, kBlocks = sizeof(C) == sizeof(float) ? 5 : 4, kStaged = 32;
  struct Shared {
    C weights[kStaged][FILTERS];  // of some (tap, channel) pairs
  };

  DeformConv<T, C> p;

  MAPT_INLINE int64_t tiles() const { return ceil_div(p.out_pixels(), kThreads); }
  MAPT_INLINE int64_t chunks() const { return ceil_div(p.filters, FILTERS); }
  int64_t blocks() const { return ceil_div(p.batch, IMAGES) * chunks() * tiles(); }

  MAPT_DEVICE void operator()(Shared& shared, int64_t block) const {
    const int64_t pixel = block % tiles() * kThreads + thread(), filter = block / tiles() % chunks() * FILTERS;
    const int64_t image = block / tiles() / chunks() * IMAGES;
    C sums[IMAGES][FILTERS];
    MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) {
      MAPT_UNROLL for (int f = 0; f < FILTERS; ++f) {
        sums[n][f] = p.bias && filter + f < p.filters ? static_cast<C>(p.bias[filter + f]) : C(0);
      }
    }
    const int all = static_cast<int>(p.taps() * p.channels);
    for (int first = 0; first < all; first += kStaged) {
      if (first > 0) __syncthreads();
      stage(shared, first, all, filter);
      __syncthreads();
      if (pixel < p.out_pixels()) add(shared, first, min(kStaged, all - first), image, pixel, sums);
    }
    if (pixel >= p.out_pixels()) return;
    MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) {
      MAPT_UNROLL for (int f = 0; f < FILTERS; ++f) {
        if (image + n >= p.batch || filter + f >= p.filters) continue;
        p.out[((image + n) * p.filters + filter + f) * p.out_pixels() + pixel] = static_cast<T>(sums[n][f]);
      }
    }
  }

 private:
  MAPT_DEVICE void stage(Shared& shared, int first, int all, int64_t filter) const {
    const int channels = SINGLE ? 1 : static_cast<int>(p.channels), taps = static_cast<int>(p.taps());
    for (int i = thread(); i < kStaged * FILTERS; i += kThreads) {
      const int k = first + i / FILTERS, f = i % FILTERS;
      const bool known = k < all && filter + f < p.filters;
      const int64_t at = ((filter + f) * channels + k % channels) * taps + k / channels;
      shared.weights[i / FILTERS][f] = known ? static_cast<C>(p.weight[at]) : C(0);
    }
  }

  MAPT_DEVICE void add(const Shared& shared, int first, int count, int64_t image, int64_t pixel,
                       C (&sums)[IMAGES][FILTERS]) const {
    const int channels = SINGLE ? 1 : static_cast<int>(p.channels);
    const int64_t plane = p.height * p.width;
    const C* field = p.offset + (p.shared ? 0 : image) * 2 * p.taps() * p.out_pixels();
    MAPT_UNROLL_BY(SINGLE ? 3 : 1) for (int k = 0; k < count; ++k) {
      const int tap = (first + k) / channels, channel = first + k - tap * channels;
      const Sample<C, int32_t> s = tap_sample(p, field, tap, pixel);
      C samples[IMAGES];
      MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) {
        const T* map = p.input + ((image + n) * channels + channel) * plane;
        samples[n] = image + n < p.batch ? bilinear_at<C>(map, s, p.height, p.width) : C(0);
      }
      MAPT_UNROLL for (int f = 0; f < FILTERS; ++f) {
        MAPT_UNROLL for (int n = 0; n < IMAGES; ++n) sums[n][f] += shared.weights[k][f] * samples[n];
      }
    }
  }
};

// Samples (rows: output pixels) times filters (columns), summed along taps and channels. A tap's channels take whole
// steps.
template <class T, class C, class S, class Shape>
struct SamplesTimesFilters {
  using Stored = S;
  struct Shared {
    SampleTable<C, Shape::kRows> samples[2];  // of a tap and of the next
  };
  struct Work {
    const C* field;
    const T* map;
    int64_t image, pixel, filter;
    int chunks, steps;
  };

  ChannelsLast<T, C, S> in;

  MAPT_INLINE int64_t filter_tiles() const { return ceil_div(in.p.filters, Shape::kColumns); }
  MAPT_INLINE int64_t pixel_tiles() const { return ceil_div(in.p.out_pixels(), Shape::kRows); }
  int64_t blocks() const { return in.p.batch * pixel_tiles() * filter_tiles(); }

  MAPT_DEVICE Work work(int64_t block) const {
    Work work;
    work.filter = block % filter_tiles() * Shape::kColumns;
    work.pixel = block / filter_tiles() % pixel_tiles() * Shape::kRows;
    work.image = block / filter_tiles() / pixel_tiles();
    work.field = in.field(work.image);
    work.map = in.image(work.image);
    work.chunks = static_cast<int>(ceil_div(in.width(), kDepth<S>));
    work.steps = static_cast<int>(in.p.taps()) * work.chunks;
    return work;
  }

  MAPT_DEVICE void prepare(const Work& work, Shared& shared, int step) const {
    const int tap = step / work.chunks;
    if (step != tap * work.chunks) return;
    for (int i = thread(); i < Shape::kRows; i += Shape::kThreads) {
      shared.samples[tap % 2].locate(i, in.p, work.field, tap, work.pixel + i);
    }
  }

  MAPT_DEVICE void fill(const Work& work, Shared& shared, int step, Tile<Shape::kRows>& a,
                        Tile<Shape::kColumns>& b) const {
    const int tap = step / work.chunks, first = (step - tap * work.chunks) * kDepth<S>, width = in.width();
    const auto& samples = shared.samples[tap % 2];
    const int64_t pitch = in.border().pitch();
    const S* filters = in.weights + work.filter * in.columns() + tap * width + first;
    MAPT_UNROLL_BY(1) for (int i = thread(); i < Shape::kRows * kVectors; i += Shape::kThreads) {
      const int row = i / kVectors, v = i % kVectors, c = first + v * kVector<S>;
      a.template vector<S>(row, v) =
          c < width ? samples.template gather<S>(row, work.map + c, width, pitch) : zero_vector<S>();
    }
    MAPT_UNROLL_BY(1) for (int i = thread(); i < Shape::kColumns * kVectors; i += Shape::kThreads) {
      const int row = i / kVectors, v = i % kVectors;
      const bool known = work.filter + row < in.p.filters && first + v * kVector<S> < width;
      const S* from = filters + row * in.columns() + v * kVector<S>;
      b.template vector<S>(row, v) = known ? *reinterpret_cast<const Vector<S>*>(from) : zero_vector<S>();
    }
  }

  MAPT_DEVICE void write(const Work& work, int row, int column, C sum) const {
    const int64_t pixel = work.pixel + row, filter = work.filter + column, pixels = in.p.out_pixels();
    if (pixel >= pixels || filter >= in.p.filters) return;
    if (in.p.bias) sum += static_cast<C>(in.p.bias[filter]);
    in.p.out[(work.image * in.p.filters + filter) * pixels + pixel] = static_cast<T>(sum);
  }
};

template <int IMAGES, bool SINGLE, class T, class C>
const char* convolve(const DeformConv<T, C>& p, Stream stream) {
  const Convolve<T, C, IMAGES, 16, SINGLE> kernel{p};
  return launch_blocks(stream, kernel.blocks(), kernel);
}

template <class T, class C>
const char* convolve_narrow(const DeformConv<T, C>& p, Stream stream) {
  if (p.channels != 1) return convolve<1, false>(p, stream);
  if constexpr (sizeof(C) == sizeof(float)) {
    if (p.shared) return convolve<2, true>(p, stream);
  }
  return convolve<1, true>(p, stream);
}

template <class Shape, class T, class C, class S>
const char* multiply(const ChannelsLast<T, C, S>& in, Stream stream) {
  const SamplesTimesFilters<T, C, S, Shape> factors{in};
  return launch_blocks(stream, factors.blocks(), Multiply<SamplesTimesFilters<T, C, S, Shape>, Shape>{factors});
}

template <class S, class T, class C>
const char* convolve_wide(const DeformConv<T, C>& p, void* map, void* weights, Stream stream) {
  const ChannelsLast<T, C, S> in{p, static_cast<T*>(map), static_cast<S*>(weights)};
  const char* error = lay_out(in, false, stream);
  if constexpr (sizeof(T) < sizeof(double)) {
    if (p.filters > SmallShape::kColumns) return first_error(error, multiply<LargeShape>(in, stream));
  }
  return first_error(error, multiply<SmallShape>(in, stream));
}

template <class T, class C>
struct KernelOf<DeformConv<T, C>> {
  static ChannelsLast<T, C, T> allocate(const DeformConv<T, C>& p, Arena& arena) {
    ChannelsLast<T, C, T> memory{p};
    if (p.channels >= kWide) memory.allocate(arena, true, true, false);
    return memory;
  }
  static const char* start(const DeformConv<T, C>& p, const ChannelsLast<T, C, T>& memory, Stream stream) {
    if (p.channels >= kWide) {
      return with_factors(p.input, p.tf32, [&](auto tag) {
        return convolve_wide<typename decltype(tag)::type>(p, memory.map, memory.weights, stream);
      });
    }
    return convolve_narrow(p, stream);
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_FORWARD(deform_conv2d, DeformConv)

}  // namespace mapt
