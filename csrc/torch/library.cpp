// The operators' schemas; the CPU's implementations lie beside this file, fake tensors and gradients in
// mapt/ops/compiled.py.
#include <torch/library.h>

#include <string>

#include "cpu/kernels.h"

TORCH_LIBRARY(mapt, m) {
  m.def(
      "deform_conv2d(Tensor input, Tensor offset, Tensor weight, Tensor? bias, int stride, int padding, int dilation) "
      "-> Tensor");
  m.def(
      "deform_conv2d_out(Tensor input, Tensor offset, Tensor weight, Tensor? bias, int stride, int padding, "
      "int dilation, Tensor(a!) out) -> ()");
  // wanted: gradients of input, offset, weight and bias; those not wanted come back empty.
  m.def(
      "deform_conv2d_backward(Tensor grad, Tensor input, Tensor offset, Tensor weight, int stride, int padding, "
      "int dilation, bool[4] wanted) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "multiscale_roi_align(Tensor[] features, Tensor boxes, int output_size, int[] strides, int sampling_ratio) "
      "-> Tensor");
  m.def(
      "multiscale_roi_align_out(Tensor[] features, Tensor boxes, int output_size, int[] strides, int sampling_ratio, "
      "Tensor(a!) out) -> ()");
  m.def(
      "multiscale_roi_align_backward(Tensor grad, Tensor boxes, SymInt[] heights, SymInt[] widths, SymInt batch, "
      "int[] strides, int sampling_ratio) -> Tensor[]");
  m.def(
      "propagate_masks(Tensor masks, Tensor offsets, Tensor weights, Tensor projection, Tensor bias, Tensor? boxes) "
      "-> (Tensor, Tensor)");
  m.def(
      "propagate_masks_out(Tensor masks, Tensor offsets, Tensor weights, Tensor projection, Tensor bias, "
      "Tensor? boxes, Tensor(a!) logits, Tensor(b!)? features) -> ()");
  m.def("propagated_features(Tensor masks, Tensor offsets, Tensor weights, Tensor boxes) -> Tensor");
  m.def("propagated_features_out(Tensor masks, Tensor offsets, Tensor weights, Tensor boxes, Tensor(a!) out) -> ()");
  m.def("cpu_isa() -> str", [] { return std::string(mapt::cpu_isa()); });
}
