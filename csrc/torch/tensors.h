// Checks, pointers and threads that all operators on CPU tensors share.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "../kernels/kernels.h"

namespace mapt_torch {

using at::Tensor;

// PyTorch's threads take pieces as they get done, so that one which has to wait for its core holds up little.
inline void run_on_torch_threads(void*, int64_t tasks, mapt::Parallel::Body body, void* context) {
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), tasks);
  const int64_t piece = std::max<int64_t>(1, tasks / (4 * threads));
  std::atomic<int64_t> next{0};
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    for (int64_t begin = next.fetch_add(piece); begin < tasks; begin = next.fetch_add(piece)) {
      body(context, begin, std::min(begin + piece, tasks));
    }
  });
}

inline const mapt::Parallel& torch_threads() {
  static const mapt::Parallel parallel = {run_on_torch_threads, nullptr};
  return parallel;
}

inline void check_like(const Tensor& tensor, const char* name, const Tensor& first, int64_t dims) {
  TORCH_CHECK(tensor.dim() == dims, "mapt: ", name, " has ", tensor.dim(), " dimensions, not ", dims);
  TORCH_CHECK(tensor.device().is_cpu(), "mapt: ", name, " is on ", tensor.device(), ", not on the CPU");
  TORCH_CHECK(tensor.scalar_type() == first.scalar_type(), "mapt: ", name, " is ", tensor.scalar_type(),
              ", the first argument ", first.scalar_type());
}

inline void check_shape(const Tensor& tensor, const char* name, at::IntArrayRef shape) {
  TORCH_CHECK(tensor.sizes() == shape, "mapt: ", name, " is ", tensor.sizes(), ", not ", shape);
}

inline void check_out(const Tensor& out, const char* name, at::IntArrayRef shape, const Tensor& first) {
  check_shape(out, name, shape);
  TORCH_CHECK(out.is_contiguous() && out.scalar_type() == first.scalar_type() && out.device().is_cpu(), "mapt: ", name,
              " is not a contiguous ", first.scalar_type(), " tensor on the CPU");
}

inline void check_map(int64_t height, int64_t width) {
  TORCH_CHECK(height > 0 && width > 0, "mapt: an empty map of ", height, " x ", width);
  TORCH_CHECK((height + 4) * (width + 4) < (int64_t{1} << 31), "mapt: a map of ", height, " x ", width,
              " pixels is larger than 2^31");
}

template <class F>
void for_float_type(const Tensor& tensor, F run) {
  if (tensor.scalar_type() == at::kFloat) {
    run(float());
  } else {
    TORCH_CHECK(tensor.scalar_type() == at::kDouble, "mapt: float32 or float64 tensors, not ", tensor.scalar_type());
    run(double());
  }
}

template <class T>
const T* data(const Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

template <class T>
T* mutable_data(const Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

}  // namespace mapt_torch
