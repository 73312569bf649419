// The operators on CUDA tensors, on PyTorch's current stream.
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "cuda/kernels.h"
#include "operators/deform_conv/torch.h"
#include "operators/propagate/torch.h"
#include "operators/roi_align/torch.h"

namespace {

using namespace mapt_torch;

// Calls start(stream), or start(workspace, stream), on the device of `like`.
template <class Start>
void queue(const Tensor& like, Start start) {
  const c10::cuda::CUDAGuard guard(like.device());
  const char* error = start(c10::cuda::getCurrentCUDAStream(like.get_device()).stream());
  TORCH_CHECK(error == nullptr, "mapt: CUDA: ", error);
}

// PyTorch's allocator hands memory of one stream out again only to later work of the same stream.
template <class Start>
void queue(const Tensor& like, size_t bytes, Start start) {
  const Tensor workspace = at::empty({static_cast<int64_t>(bytes)}, like.options().dtype(at::kByte));
  queue(like, [&](mapt::Stream stream) { return start(workspace.mutable_data_ptr(), stream); });
}

// Where the kernels run: each takes its parameters and a tensor of the device.
struct Cuda {
  template <class T>
  static void deform_conv2d(const mapt::DeformConv<T>& p, const Tensor& like) {
    queue(like, [&](mapt::Stream stream) { return mapt::cuda_deform_conv2d(p, stream); });
  }
  template <class T>
  static void deform_conv2d_backward(const mapt::DeformConvGrad<T>& g, const Tensor& like) {
    const int64_t samples = g.forward.taps() * g.forward.out_pixels();
    TORCH_CHECK(samples < int64_t{1} << 31, "mapt: ", samples, " samples in one offset field, more than 2^31");
    queue(like, mapt::cuda_deform_conv2d_backward_bytes(g), [&](void* workspace, mapt::Stream stream) {
      return mapt::cuda_deform_conv2d_backward(g, workspace, stream);
    });
  }
  template <class T>
  static void roi_align(const mapt::RoiAlign<T>& p, const Tensor& like) {
    queue(like, [&](mapt::Stream stream) { return mapt::cuda_roi_align(p, stream); });
  }
  template <class T>
  static void roi_align_backward(const mapt::RoiAlignGrad<T>& g, const Tensor& like) {
    queue(like, mapt::cuda_roi_align_backward_bytes(g),
          [&](void* workspace, mapt::Stream stream) { return mapt::cuda_roi_align_backward(g, workspace, stream); });
  }
  template <class T>
  static void propagate(const mapt::Propagate<T>& p, const Tensor& like) {
    queue(like, mapt::cuda_propagate_bytes(p),
          [&](void* workspace, mapt::Stream stream) { return mapt::cuda_propagate(p, workspace, stream); });
  }

  // To look would be to wait for the GPU; boxes of no image come out zero.
  static void check_images(const Tensor&, int64_t) {}
};

}  // namespace

TORCH_LIBRARY_IMPL(mapt, CUDA, m) {
  add_deform_conv<Cuda>(m);
  add_roi_align<Cuda>(m);
  add_propagate<Cuda>(m);
}
