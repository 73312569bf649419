// scale_by as PyTorch calls it.
#include "operators/scale_by/params.h"
#include "torch/device.h"

namespace {

using namespace mapt_torch;

Tensor scale_by(const Tensor& x, int64_t factor) {
  const Tensor from = x.contiguous();
  const Tensor out = at::empty(from.sizes(), from.options());
  for_float_type(from, [&](auto zero) {
    using T = decltype(zero);
    run(mapt::ScaleBy<T>{data<T>(from), mutable_data<T>(out), from.numel(), static_cast<T>(factor)}, from);
  });
  return out;
}

}  // namespace

#if !defined(MAPT_TORCH_CUDA)
TORCH_LIBRARY_FRAGMENT(mapt, m) { m.def("scale_by(Tensor x, int factor) -> Tensor"); }
#endif

TORCH_LIBRARY_IMPL(mapt, MAPT_TORCH_DEVICE, m) { m.impl("scale_by", &scale_by); }
