// The forward pass of deformable convolution on the CPU.
#pragma once

#include "common/multiply.h"
#include "cpu/kernel.h"
#include "operators/deform_conv/pixel_block.h"

MAPT_BEGIN

// May vectors of a plane's results bypass the cache?
template <class V>
MAPT_INLINE bool may_stream(const V* out, int64_t pixels, int64_t total) {
  return kIsSum<V> && total * static_cast<int64_t>(sizeof(V)) >= kStreamBytes && is_aligned(out) &&
         pixels * sizeof(V) % MAPT_VECTOR_BYTES == 0;
}

template <class V, class T>
MAPT_INLINE void put(V* out, Vec<T> v, int64_t left, bool streaming) {
  if constexpr (kIsSum<V>) {
    if (streaming && left >= kLanes<T>) return stream(out, v);
  }
  if (left > 0) store_values(out, v, left);
}

// Writes the samples of as many images as W has lanes at every tap to tile[image][tap][kBlock].
template <class W, class T>
void sample_images(const T* images, int64_t cell_step, int64_t pitch, int64_t taps, BlockSamples<T>& at, T* tile) {
  constexpr int lanes = sizeof(W) / sizeof(T);
  for (int64_t tap = 0; tap < taps; ++tap) {
    const Int<T>* index = at.index(tap);
    const T *w00 = at.weight(tap, 0), *w01 = at.weight(tap, 1), *w10 = at.weight(tap, 2), *w11 = at.weight(tap, 3);
    for (int64_t first = 0; first < kBlock; first += lanes) {
      W square[lanes];
#pragma GCC unroll 16
      for (int64_t i = 0; i < lanes; ++i) {
        const int64_t k = first + i;
        square[i] =
            blend_as<W>(images + index[k] * cell_step, cell_step, pitch * cell_step, w00[k], w01[k], w10[k], w11[k]);
      }
      transpose_square<lanes>(square);
#pragma GCC unroll 16
      for (int64_t i = 0; i < lanes; ++i) store_as(tile + (i * taps + tap) * kBlock + first, square[i]);
    }
  }
}

// Applies FILTERS filters, weight[filter][tap], to a block of an image's samples[tap][kBlock].
template <int FILTERS, class V, class T>
MAPT_INLINE void filter_block(const T* weight, const T* bias, int64_t taps, const T* samples, V* out, int64_t pixels,
                              int64_t count, bool streaming) {
  constexpr int64_t lanes = kLanes<T>;
  constexpr int wide = 3;
  for (int64_t first = 0; first < count; first += wide * lanes) {
    Vec<T> sums[FILTERS][wide];
#pragma GCC unroll 8
    for (int f = 0; f < FILTERS; ++f) {
#pragma GCC unroll 3
      for (int v = 0; v < wide; ++v) sums[f][v] = broadcast(bias[f]);
    }
    for (int64_t tap = 0; tap < taps; ++tap) {
      Vec<T> sample[wide];
#pragma GCC unroll 3
      for (int v = 0; v < wide; ++v) sample[v] = load(samples + tap * kBlock + first + v * lanes);
#pragma GCC unroll 8
      for (int f = 0; f < FILTERS; ++f) {
        const Vec<T> w = broadcast(weight[f * taps + tap]);
#pragma GCC unroll 3
        for (int v = 0; v < wide; ++v) sums[f][v] += w * sample[v];
      }
    }
#pragma GCC unroll 8
    for (int f = 0; f < FILTERS; ++f) {
#pragma GCC unroll 3
      for (int v = 0; v < wide; ++v) {
        put<V, T>(out + f * pixels + first + v * lanes, sums[f][v], count - first - v * lanes, streaming);
      }
    }
  }
}

// The images of a batch as lanes: full vectors, and a narrow one where most lanes of another would be empty.
template <class V, class T>
class ImageLanes {
 public:
  static constexpr int64_t wide_lanes = kLanes<T>, narrow_lanes = kNarrowLanes<T>;

  ImageLanes(const DeformConv<V, T>& p, const Parallel& parallel)
      : border_{p.height, p.width},
        narrow_(p.batch % wide_lanes > 0 && p.batch % wide_lanes <= narrow_lanes && narrow_lanes < wide_lanes),
        groups_(narrow_ ? p.batch / wide_lanes : ceil_div(p.batch, wide_lanes)),
        images_(border_.cells(), cell_step()),
        rest_(int64_t{narrow_}, border_.cells(), narrow_lanes) {
    const int64_t pixels = p.height * p.width;
    parallel_for(parallel, border_.rows(), [&, this](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t group = 0; group < groups_; ++group) {
          const int64_t n = group * wide_lanes;
          row_to_lanes(p.input + n * pixels, min(wide_lanes, p.batch - n), border_, images_.get() + n, cell_step(),
                       row);
        }
        if (narrow_) copy_rest(p.input + cell_step() * pixels, p.batch - cell_step(), row);
      }
    });
  }

  int64_t cell_step() const { return groups_ * wide_lanes; }  // where there is a narrow vector, its first image

  // Writes a block's samples of some images to tile[image][tap][kBlock], and calls then(first image, images).
  template <class F>
  void sample(int64_t taps, BlockSamples<T>& at, T* tile, const F& then) const {
    for (int64_t n = 0; n < cell_step(); n += wide_lanes) {
      sample_images<Vec<T>>(images_.get() + n, cell_step(), border_.pitch(), taps, at, tile);
      then(n, wide_lanes);
    }
    if (!narrow_) return;
    sample_images<Narrow<T>>(rest_.get(), narrow_lanes, border_.pitch(), taps, at, tile);
    then(cell_step(), narrow_lanes);
  }

 private:
  void copy_rest(const V* planes, int64_t count, int64_t row) {
    T* cells = rest_.get() + row * border_.pitch() * narrow_lanes;
    std::memset(cells, 0, static_cast<size_t>(border_.pitch() * narrow_lanes) * sizeof(T));
    if (row == 0 || row > border_.height) return;
    for (int64_t i = 0; i < count; ++i) {
      const V* source = planes + (i * border_.height + row - 1) * border_.width;
      for (int64_t x = 0; x < border_.width; ++x) cells[(x + 1) * narrow_lanes + i] = static_cast<T>(source[x]);
    }
  }

  const Border border_;
  const bool narrow_;
  const int64_t groups_;
  Scratch<T> images_, rest_;
};

// Applies all filters to the samples[image][tap][kBlock] of up to `images` images, from image `n` on.
template <class V, class T>
MAPT_INLINE void filter_images(const DeformConv<V, T>& p, int64_t n, int64_t images, const T* weight, const T* bias,
                               const T* samples, int64_t first, int64_t count, bool streaming) {
  constexpr int at_once = kRegisters == 32 ? 8 : 4;  // three sums of each filter are in registers
  const int64_t pixels = p.out_pixels(), taps = p.taps(), end = min(p.batch, n + images);
  for (; n < end; ++n, samples += taps * kBlock) {
    V* out = p.out + n * p.filters * pixels + first;
    int64_t f = 0;
    for (; f + at_once <= p.filters; f += at_once) {
      filter_block<at_once>(weight + f * taps, bias + f, taps, samples, out + f * pixels, pixels, count, streaming);
    }
    for (; f < p.filters; ++f) {
      filter_block<1>(weight + f * taps, bias + f, taps, samples, out + f * pixels, pixels, count, streaming);
    }
  }
}

// The case of one input channel, and one offset field for all images. Images are the lanes, so a block's coordinates
// are computed once, and four loads give a sample of kLanes images.
template <class V, class T>
void deform_conv2d_single(const DeformConv<V, T>& p, const Parallel& parallel) {
  const int64_t pixels = p.out_pixels(), taps = p.taps();
  const ImageLanes<V, T> images(p, parallel);
  Scratch<T> weight(p.filters, taps), bias(p.filters);
  convert(p.weight, p.filters * taps, weight.get());
  for (int64_t f = 0; f < p.filters; ++f) bias[f] = p.bias ? static_cast<T>(p.bias[f]) : T(0);
  const bool streaming = may_stream(p.out, pixels, p.batch * p.filters * pixels);
  parallel_for(parallel, ceil_div(pixels, kBlock), [&, streaming](int64_t begin, int64_t end) {
    BlockSamples<T> at(taps);
    Scratch<T> tile(int64_t{kLanes<T>}, taps, kBlock);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlock, count = min(kBlock, pixels - first);
      at.locate(p, p.offset, first);
      images.sample(taps, at, tile.get(), [&](int64_t n, int64_t lanes) {
        filter_images(p, n, lanes, weight.get(), bias.get(), tile.get(), first, count, streaming);
      });
    }
    if (streaming) stream_end();
  });
}

// Copies weight (filters, channels, taps) to [tap][channel][filter], and pads filters with zeros.
template <class V, class T>
void pack_weight(const DeformConv<V, T>& p, int64_t row, T* packed) {
  for (int64_t tap = 0; tap < p.taps(); ++tap) {
    for (int64_t c = 0; c < p.channels; ++c) {
      for (int64_t f = 0; f < row; ++f) {
        *packed++ = f < p.filters ? static_cast<T>(p.weight[(f * p.channels + c) * p.taps() + tap]) : T(0);
      }
    }
  }
}

// Writes kBlock rows of filters, padded to kLanes, to planes.
template <class V, class T>
void block_to_planes(const T* sums, int64_t row, int64_t filters, V* out, int64_t pixels, int64_t count) {
  constexpr int64_t lanes = kLanes<T>;
  for (int64_t f = 0; f < filters; f += lanes) {
    for (int64_t first = 0; first < count; first += lanes) {
      Vec<T> square[lanes];
      for (int64_t i = 0; i < lanes; ++i) square[i] = load(sums + (first + i) * row + f);
      transpose<T>(square);
      const int64_t used = min(lanes, filters - f);
      for (int64_t i = 0; i < used; ++i) store_values(out + (f + i) * pixels + first, square[i], count - first);
    }
  }
}

// The case of any number of channels. Channels are the lanes, and the products of a block's samples with the filters
// are added tap by tap.
template <class V, class T>
void deform_conv2d_general(const DeformConv<V, T>& p, const Parallel& parallel) {
  constexpr int64_t lanes = kLanes<T>;
  const Border border{p.height, p.width};
  const int64_t width = round_up(p.channels, lanes), row = round_up(p.filters, lanes), pixels = p.out_pixels();
  const int64_t blocks = ceil_div(pixels, kBlock), image = border.cells() * width;
  Scratch<T> images(p.batch, image), weight(p.taps(), p.channels, row), bias(row);
  for (int64_t f = 0; f < row; ++f) bias[f] = p.bias && f < p.filters ? static_cast<T>(p.bias[f]) : T(0);
  for (int64_t n = 0; n < p.batch; ++n) {
    to_lanes(p.input + n * p.channels * p.height * p.width, p.channels, border, images.get() + n * image, width, lanes,
             parallel);
  }
  pack_weight(p, row, weight.get());
  const int64_t outer = p.shared ? 1 : p.batch, inner = p.shared ? p.batch : 1;
  parallel_for(parallel, outer * blocks, [&](int64_t begin, int64_t end) {
    BlockSamples<T> at(p.taps());
    Scratch<T> samples(kBlock, width), sums(kBlock, row);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % blocks * kBlock, count = min(kBlock, pixels - first);
      at.locate(p, p.offset + task / blocks * 2 * p.taps() * pixels, first);
      for (int64_t n = task / blocks * inner; n < task / blocks * inner + inner; ++n) {
        for (int64_t i = 0; i < kBlock; ++i) std::memcpy(&sums[i * row], bias.get(), row * sizeof(T));
        for (int64_t tap = 0; tap < p.taps(); ++tap) {
          for (int64_t i = 0; i < kBlock; ++i) {
            const T* cell = images.get() + n * image + at.index(tap)[i] * width;
            for (int64_t c = 0; c < width; c += lanes) {
              store(samples.get() + i * width + c,
                    blend(cell + c, width, border.pitch() * width, at.weight(tap, 0)[i], at.weight(tap, 1)[i],
                          at.weight(tap, 2)[i], at.weight(tap, 3)[i]));
            }
          }
          multiply_add<T>({samples.get(), width, 1}, weight.get() + tap * p.channels * row, row, sums.get(), row,
                          kBlock, row / lanes, p.channels);
        }
        block_to_planes(sums.get(), row, p.filters, p.out + n * p.filters * pixels + first, pixels, count);
      }
    }
  });
}

template <class V, class T>
void deform_conv2d(const DeformConv<V, T>& p, const Parallel& parallel) {
  if (p.batch == 0 || p.filters == 0 || p.out_pixels() == 0) return;
  if (p.channels == 1 && (p.shared || p.batch == 1)) return deform_conv2d_single(p, parallel);
  deform_conv2d_general(p, parallel);
}

MAPT_CPU_KERNEL(DeformConv, deform_conv2d)
MAPT_CPU_KERNEL_OF_HALF(DeformConv, deform_conv2d)

MAPT_END
