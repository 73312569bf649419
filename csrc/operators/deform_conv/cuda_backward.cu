// The backward pass of deformable convolution on a GPU. It has no float atomics: each element of a gradient is added up
// in a fixed order, so every run gives the same bits. The input's gradient needs the samples that read each cell.
// sample_index.cuh finds them once per offset field, for all images and channels.
#include "operators/deform_conv/backward_narrow.cuh"
#include "operators/deform_conv/backward_wide.cuh"

MAPT_BEGIN

// A block adds up the gradient of a filter's bias.
template <class T, class C>
struct BiasGradient {
  static constexpr int kThreads = 512, kBlocks = 2;
  struct Shared {
    C sums[kThreads];
  };

  DeformConvGrad<T, C> g;

  MAPT_DEVICE void operator()(Shared& shared, int64_t filter) const {
    const int64_t pixels = g.forward.out_pixels();
    C sum = 0;
    for (int64_t n = 0; n < g.forward.batch; ++n) {
      const T* from = g.grad_out + (n * g.forward.filters + filter) * pixels;
      MAPT_UNROLL_BY(4) for (int64_t i = thread(); i < pixels; i += kThreads) sum += static_cast<C>(from[i]);
    }
    sum = block_sum(shared.sums, sum);
    if (thread() == 0) g.grad_bias[filter] = static_cast<T>(sum);
  }
};

template <class T, class C>
struct KernelOf<DeformConvGrad<T, C>> {
  // Memory is handed out when the kernels start.
  static Arena allocate(const DeformConvGrad<T, C>& g, Arena& arena) {
    const Arena before = arena;
    if (g.forward.channels >= kWide) {
      WideGradient<T, C, T>(g, arena);
    } else {
      NarrowGradient<T, C>(g, arena);
    }
    return before;
  }
  static const char* start(const DeformConvGrad<T, C>& g, Arena arena, Stream stream) {
    const char* error = nullptr;
    if (g.forward.channels >= kWide) {
      error = with_factors(g.grad_out, g.forward.tf32, [&](auto tag) {
        return WideGradient<T, C, typename decltype(tag)::type>(g, arena).start(stream);
      });
    } else {
      error = NarrowGradient<T, C>(g, arena).start(stream);
    }
    return g.grad_bias ? first_error(error, launch_blocks(stream, g.forward.filters, BiasGradient<T, C>{g})) : error;
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_FORWARD(deform_conv2d_backward, DeformConvGrad)

}  // namespace mapt
