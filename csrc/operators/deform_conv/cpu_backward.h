// The backward pass of deformable convolution on the CPU. Results do not depend on threads: work is cut by sizes alone,
// each task has private partial sums, and these are added in a fixed order. This header has the general case, and
// chooses between it and the case of cpu_backward_single.h.
#pragma once

#include "operators/deform_conv/cpu_backward_single.h"

MAPT_BEGIN

// --- Any number of channels: a task owns one image's group of kLanes channels ---

template <class T>
class GeneralBackward {
 public:
  explicit GeneralBackward(const DeformConvGrad<T>& gradients)
      : g_(gradients),
        p_(gradients.forward),
        border_{p_.height, p_.width},
        groups_(ceil_div(p_.channels, lanes)),
        slice_(border_.cells() * lanes),
        columns_(p_.taps() * lanes),
        weight_part_(p_.filters * columns_),
        images_(p_.batch, groups_, slice_),
        grads_(g_.grad_input ? p_.batch : 0, groups_, slice_),
        weights_(groups_, weight_part_),
        weight_parts_(p_.batch, groups_, weight_part_),
        offset_parts_(g_.grad_offset ? p_.batch : 0, groups_, 2, p_.taps(), kStretch) {}

  void run(const Parallel& parallel) {
    const int64_t plane = p_.height * p_.width;
    for (int64_t n = 0; n < p_.batch; ++n) {
      to_lanes(p_.input + n * p_.channels * plane, p_.channels, border_, images_.get() + n * groups_ * slice_, lanes,
               slice_, parallel);
    }
    pack_weights();
    if (g_.grad_input) std::memset(grads_.get(), 0, p_.batch * groups_ * slice_ * sizeof(T));
    std::memset(weight_parts_.get(), 0, p_.batch * groups_ * weight_part_ * sizeof(T));
    // Intervals of pixels follow each other, so that the offsets' partial sums of all tasks stay small.
    for (int64_t start = 0; start < p_.out_pixels(); start += kStretch) {
      const int64_t stop = min(p_.out_pixels(), start + kStretch);
      parallel_for(parallel, p_.batch * groups_, [this, start, stop](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) run_task(task, start, stop);
      });
      if (g_.grad_offset) add_offsets(start, stop, parallel);
    }
    for (int64_t n = 0; g_.grad_input && n < p_.batch; ++n) {
      from_lanes(grads_.get() + n * groups_ * slice_, 1, 0, lanes, slice_, border_,
                 g_.grad_input + n * p_.channels * plane, p_.channels, parallel);
    }
    if (g_.grad_weight) add_weights(parallel);
    if (g_.grad_bias) add_bias(parallel);
  }

 private:
  static constexpr int64_t lanes = kLanes<T>;
  static constexpr int64_t kStretch = kBlock * 64;

  // Copies weight (filters, channels, taps) to [group][filter][tap][lane].
  void pack_weights() {
    for (int64_t group = 0; group < groups_; ++group) {
      for (int64_t f = 0; f < p_.filters; ++f) {
        T* row = weights_.get() + (group * p_.filters + f) * columns_;
        for (int64_t i = 0; i < columns_; ++i) {
          const int64_t c = group * lanes + i % lanes;
          row[i] = c < p_.channels ? p_.weight[(f * p_.channels + c) * p_.taps() + i / lanes] : T(0);
        }
      }
    }
  }

  void run_task(int64_t task, int64_t start, int64_t stop) {
    const int64_t n = task / groups_, group = task % groups_, taps = p_.taps(), pixels = p_.out_pixels();
    BlockSamples<T> at(taps);
    Scratch<T> gradient(kBlock, columns_), samples(kBlock, columns_), grad(p_.filters, kBlock);
    const T* field = p_.offset + (p_.shared ? 0 : n) * 2 * taps * pixels;
    for (int64_t first = start; first < stop; first += kBlock) {
      const int64_t count = min(kBlock, pixels - first);
      at.locate(p_, field, first);
      for (int64_t f = 0; f < p_.filters; ++f) {
        T* row = grad.get() + f * kBlock;
        std::memcpy(row, g_.grad_out + (n * p_.filters + f) * pixels + first, count * sizeof(T));
        std::memset(row + count, 0, (kBlock - count) * sizeof(T));
      }
      std::memset(gradient.get(), 0, kBlock * columns_ * sizeof(T));
      multiply_add<T>({grad.get(), 1, kBlock}, weights_.get() + group * weight_part_, columns_, gradient.get(),
                      columns_, kBlock, taps, p_.filters);
      T* offset = g_.grad_offset ? offset_parts_.get() + task * 2 * taps * kStretch + (first - start) : nullptr;
      sample(task, at, gradient.get(), samples.get(), offset);
      if (g_.grad_weight) {
        multiply_add<T>({grad.get(), kBlock, 1}, samples.get(), columns_, weight_parts_.get() + task * weight_part_,
                        columns_, p_.filters, taps, kBlock);
      }
    }
  }

  // Computes a block's samples, and the gradients of offsets (into a task's part) and input.
  void sample(int64_t task, BlockSamples<T>& at, const T* gradient, T* samples, T* offset) {
    const int64_t below = border_.pitch() * lanes;
    const T* image = images_.get() + task * slice_;
    T* input = g_.grad_input ? grads_.get() + task * slice_ : nullptr;
    for (int64_t tap = 0; tap < p_.taps(); ++tap) {
      const T *w00 = at.weight(tap, 0), *w01 = at.weight(tap, 1), *w10 = at.weight(tap, 2), *w11 = at.weight(tap, 3);
      for (int64_t first = 0; first < kBlock; first += lanes) {
        Vec<T> dy[lanes], dx[lanes];
        for (int64_t i = 0; i < lanes; ++i) {
          const int64_t k = first + i, cell = at.index(tap)[k] * lanes;
          const Vec<T> passed = load(gradient + k * columns_ + tap * lanes);
          store(samples + k * columns_ + tap * lanes,
                blend(image + cell, lanes, below, w00[k], w01[k], w10[k], w11[k]));
          sample_derivatives(image + cell, lanes, below, at.ly(tap)[k], at.lx(tap)[k], passed, dy[i], dx[i]);
          if (input) scatter(input + cell, lanes, below, w00[k], w01[k], w10[k], w11[k], passed);
        }
        if (!offset) continue;
        store(offset + 2 * tap * kStretch + first, sums_of<T>(dy));
        store(offset + (2 * tap + 1) * kStretch + first, sums_of<T>(dx));
      }
    }
  }

  // Adds the parts of the offsets' gradient, in a fixed order: those of all groups, and of all images that share a
  // field.
  void add_offsets(int64_t start, int64_t stop, const Parallel& parallel) {
    const int64_t fields = p_.shared ? 1 : p_.batch, parts = p_.batch * groups_ / fields, rows = 2 * p_.taps();
    parallel_for(parallel, fields * rows, [this, rows, parts, start, stop](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const T* part = offset_parts_.get() + (task / rows * parts * rows + task % rows) * kStretch;
        T* out = g_.grad_offset + task * p_.out_pixels() + start;
        for (int64_t i = 0; i < stop - start; i += lanes) {
          Vec<T> all{};
          for (int64_t k = 0; k < parts; ++k) all += load(part + k * rows * kStretch + i);
          store(out + i, all, stop - start - i);
        }
      }
    });
  }

  void add_weights(const Parallel& parallel) {
    parallel_for(parallel, p_.filters, [this](int64_t begin, int64_t end) {
      const int64_t taps = p_.taps();
      for (int64_t i = begin * p_.channels * taps; i < end * p_.channels * taps; ++i) {
        const int64_t f = i / (p_.channels * taps), c = i / taps % p_.channels, tap = i % taps;
        T all = 0;
        for (int64_t n = 0; n < p_.batch; ++n) {
          all += weight_parts_[(n * groups_ + c / lanes) * weight_part_ + f * columns_ + tap * lanes + c % lanes];
        }
        g_.grad_weight[i] = all;
      }
    });
  }

  void add_bias(const Parallel& parallel) {
    parallel_for(parallel, p_.filters, [this](int64_t begin, int64_t end) {
      const int64_t pixels = p_.out_pixels();
      for (int64_t f = begin; f < end; ++f) {
        Vec<T> all{};
        for (int64_t n = 0; n < p_.batch; ++n) {
          const T* g = g_.grad_out + (n * p_.filters + f) * pixels;
          for (int64_t i = 0; i < pixels; i += lanes) all += load(g + i, pixels - i);
        }
        g_.grad_bias[f] = sum<T>(all);
      }
    });
  }

  const DeformConvGrad<T>& g_;
  const DeformConv<T>& p_;
  const Border border_;
  const int64_t groups_, slice_, columns_, weight_part_;
  Scratch<T> images_, grads_, weights_, weight_parts_, offset_parts_;
};

// Fills the gradients with zeros if there is no output.
template <class T>
void clear_gradients(const DeformConvGrad<T>& g) {
  const DeformConv<T>& p = g.forward;
  const auto clear = [](T* data, int64_t count) {
    if (data && count) std::memset(data, 0, count * sizeof(T));
  };
  clear(g.grad_input, p.batch * p.channels * p.height * p.width);
  clear(g.grad_offset, (p.shared ? 1 : p.batch) * 2 * p.taps() * p.out_pixels());
  clear(g.grad_weight, p.filters * p.channels * p.taps());
  clear(g.grad_bias, p.filters);
}

template <class T>
void deform_conv2d_backward(const DeformConvGrad<T>& g, const Parallel& parallel) {
  const DeformConv<T>& p = g.forward;
  if (p.batch == 0 || p.filters == 0 || p.channels == 0 || p.out_pixels() == 0) return clear_gradients(g);
  if (p.channels == 1 && (p.shared || p.batch == 1)) return SingleBackward<T>(g).run(parallel);
  GeneralBackward<T>(g).run(parallel);
}

MAPT_CPU_KERNEL(DeformConvGrad, deform_conv2d_backward)

MAPT_END
