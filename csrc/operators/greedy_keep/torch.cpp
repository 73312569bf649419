// greedy_keep for PyTorch: checks, sizes and memory around the kernels.
#include "operators/greedy_keep/params.h"
#include "torch/device.h"

namespace {

using namespace mapt_torch;

Tensor greedy_keep(const Tensor& suppresses) {
  const Tensor matrix = suppresses.contiguous();
  check_like(matrix, "suppresses", matrix, 2);
  check_shape(matrix, "suppresses", {matrix.size(0), matrix.size(0)});
  const Tensor keep = at::empty({matrix.size(0)}, matrix.options());
  for_value_type(matrix, [&](auto value, auto coordinate) {
    using T = decltype(value);
    using C = decltype(coordinate);
    run(mapt::GreedyKeep<T, C>{data<T>(matrix), mutable_data<T>(keep), matrix.size(0)}, matrix);
  });
  return keep;
}

}  // namespace

#if !defined(MAPT_TORCH_CUDA)
TORCH_LIBRARY_FRAGMENT(mapt, m) { m.def("greedy_keep(Tensor suppresses) -> Tensor"); }
#endif

TORCH_LIBRARY_IMPL(mapt, MAPT_TORCH_DEVICE, m) { m.impl("greedy_keep", &greedy_keep); }
