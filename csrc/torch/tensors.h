// Checks and pointers that all operators share, for tensors on any device.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "common/half.h"
#include "common/limits.h"

namespace mapt_torch {

using at::Tensor;

inline void check_device(const Tensor& tensor, const char* name, const Tensor& first) {
  TORCH_CHECK(tensor.device() == first.device(), "mapt: ", name, " is on ", tensor.device(), ", the first argument on ",
              first.device());
}

inline void check_small(const char* name, at::IntArrayRef shape) {
  TORCH_CHECK(mapt::is_small_tensor(shape), "mapt: ", name, " is ", shape, ", which is too large");
}

inline void check_range(const char* name, int64_t value, int64_t lowest, int64_t highest) {
  TORCH_CHECK(value >= lowest, "mapt: ", name, " is ", value, ", below ", lowest);
  TORCH_CHECK(value <= highest, "mapt: ", name, " is ", value, ", above ", highest);
}

inline void check_like(const Tensor& tensor, const char* name, const Tensor& first, int64_t dims) {
  TORCH_CHECK(tensor.dim() == dims, "mapt: ", name, " has ", tensor.dim(), " dimensions, not ", dims);
  check_small(name, tensor.sizes());
  check_device(tensor, name, first);
  TORCH_CHECK(tensor.scalar_type() == first.scalar_type(), "mapt: ", name, " is ", tensor.scalar_type(),
              ", the first argument ", first.scalar_type());
}

inline void check_shape(const Tensor& tensor, const char* name, at::IntArrayRef shape) {
  TORCH_CHECK(tensor.sizes() == shape, "mapt: ", name, " is ", tensor.sizes(), ", not ", shape);
}

inline void check_out(const Tensor& out, const char* name, at::IntArrayRef shape, const Tensor& first) {
  check_shape(out, name, shape);
  TORCH_CHECK(out.is_contiguous() && out.scalar_type() == first.scalar_type() && out.device() == first.device(),
              "mapt: ", name, " is not a contiguous ", first.scalar_type(), " tensor on ", first.device());
}

inline void check_map(int64_t height, int64_t width) {
  TORCH_CHECK(height > 0 && width > 0, "mapt: an empty map of ", height, " x ", width);
  TORCH_CHECK(mapt::is_small_map(height, width), "mapt: a map of ", height, " x ", width,
              " pixels is larger than 2^31");
}

template <class F>
void for_float_type(const Tensor& tensor, F run) {
  if (tensor.scalar_type() == at::kFloat) {
    run(float());
  } else {
    TORCH_CHECK(tensor.scalar_type() == at::kDouble, "mapt: float32 or float64 tensors; not implemented for ",
                tensor.scalar_type());
    run(double());
  }
}

// Calls run(value, coordinate) with the types of a kernel for such values.
template <class F>
void for_value_type(const Tensor& values, F run) {
  if (values.scalar_type() == at::kHalf) return run(mapt::Half(), float());
  if (values.scalar_type() == at::kBFloat16) return run(mapt::BFloat16(), float());
  for_float_type(values, [&](auto zero) { run(zero, zero); });
}

// The same for the kernels of gradients. On a CPU, these have no half precision.
template <class F>
void for_gradient_type(const Tensor& values, F run) {
#if defined(MAPT_TORCH_CUDA)
  for_value_type(values, run);
#else
  for_float_type(values, [&](auto zero) { run(zero, zero); });
#endif
}

// The type of offsets and boxes beside such values.
inline at::ScalarType coordinate_type(const Tensor& values) {
  const at::ScalarType type = values.scalar_type();
  return type == at::kHalf || type == at::kBFloat16 ? at::kFloat : type;
}

inline void check_coordinates(const Tensor& tensor, const char* name, const Tensor& values, int64_t dims) {
  check_like(tensor, name, tensor, dims);
  check_device(tensor, name, values);
  TORCH_CHECK(tensor.scalar_type() == coordinate_type(values), "mapt: ", name, " is ", tensor.scalar_type(), ", not ",
              coordinate_type(values), " beside ", values.scalar_type());
}

// The caller has checked the type.
template <class T>
const T* data(const Tensor& tensor) {
  return tensor.defined() ? static_cast<const T*>(tensor.const_data_ptr()) : nullptr;
}

template <class T>
T* mutable_data(const Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.mutable_data_ptr()) : nullptr;
}

}  // namespace mapt_torch
