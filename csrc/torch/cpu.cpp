// The operators on CPU tensors.
#include <ATen/Parallel.h>

#include <atomic>

#include "cpu/kernels.h"
#include "operators/deform_conv/torch.h"
#include "operators/propagate/torch.h"
#include "operators/roi_align/torch.h"

namespace {

using namespace mapt_torch;

// PyTorch's threads take pieces as they get done, so that one which has to wait for its core holds up little.
void run_on_torch_threads(void*, int64_t tasks, mapt::Parallel::Body body, void* context) {
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), tasks);
  const int64_t piece = std::max<int64_t>(1, tasks / (4 * threads));
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t begin = next.fetch_add(piece); begin < tasks; begin = next.fetch_add(piece)) {
      body(context, begin, std::min(begin + piece, tasks));
    }
  });
}

const mapt::Parallel& torch_threads() {
  static const mapt::Parallel parallel = {run_on_torch_threads, nullptr};
  return parallel;
}

// Where the kernels run: each takes its parameters and a tensor of the device.
struct Cpu {
  template <class T>
  static void deform_conv2d(const mapt::DeformConv<T>& p, const Tensor&) {
    mapt::cpu_kernels<T>().deform_conv2d(p, torch_threads());
  }
  template <class T>
  static void deform_conv2d_backward(const mapt::DeformConvGrad<T>& g, const Tensor&) {
    mapt::cpu_kernels<T>().deform_conv2d_backward(g, torch_threads());
  }
  template <class T>
  static void roi_align(const mapt::RoiAlign<T>& p, const Tensor&) {
    mapt::cpu_kernels<T>().roi_align(p, torch_threads());
  }
  template <class T>
  static void roi_align_backward(const mapt::RoiAlignGrad<T>& g, const Tensor&) {
    mapt::cpu_kernels<T>().roi_align_backward(g, torch_threads());
  }
  template <class T>
  static void propagate(const mapt::Propagate<T>& p, const Tensor&) {
    mapt::cpu_kernels<T>().propagate(p, torch_threads());
  }

  static void check_images(const Tensor& boxes, int64_t batch) {
    for_float_type(boxes, [&](auto zero) {
      using T = decltype(zero);
      const T* rows = data<T>(boxes);
      for (int64_t r = 0; r < boxes.size(0); ++r) {
        const T image = rows[r * 5];
        TORCH_CHECK(image >= 0 && image < static_cast<T>(batch) && image == std::floor(image), "mapt: box ", r,
                    " lies in image ", image, " of a batch of ", batch);
      }
    });
  }
};

}  // namespace

TORCH_LIBRARY_IMPL(mapt, CPU, m) {
  add_deform_conv<Cpu>(m);
  add_roi_align<Cpu>(m);
  add_propagate<Cpu>(m);
}
