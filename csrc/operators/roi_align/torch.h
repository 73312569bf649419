// multiscale_roi_align as PyTorch calls it: checks, sizes and memory around the kernels of a device.
#pragma once

#include "torch/tensors.h"

namespace mapt_torch {

// Sizes, strides and boxes; `boxes` is in the features' type.
template <class T>
mapt::RoiAlign<T> roi_params(const Tensor& boxes, at::IntArrayRef heights, at::IntArrayRef widths,
                             at::IntArrayRef strides, int64_t batch, int64_t channels, int64_t size, int64_t ratio) {
  mapt::RoiAlign<T> p{};
  p.boxes = data<T>(boxes);
  p.batch = batch, p.channels = channels, p.count = boxes.size(0), p.size = size, p.sampling_ratio = ratio;
  for (int l = 0; l < mapt::kLevels; ++l) {
    p.heights[l] = heights[l], p.widths[l] = widths[l], p.strides[l] = strides[l];
  }
  return p;
}

template <class Device>
void check_roi(const Tensor& boxes, size_t levels, at::IntArrayRef strides, int64_t batch, int64_t size,
               int64_t ratio) {
  TORCH_CHECK(levels == mapt::kLevels && strides.size() == mapt::kLevels, "mapt: ", levels, " features and ",
              strides.size(), " strides, not ", mapt::kLevels);
  check_range("output_size", size, 1, mapt::kMaxBins);
  check_range("sampling_ratio", ratio, 1, mapt::kMaxSamples);
  for (const int64_t stride : strides) check_range("a stride", stride, 1, mapt::kMaxStep);
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 5, "mapt: boxes is ", boxes.sizes(), ", not (R, 5)");
  check_range("the number of boxes", boxes.size(0), 0, mapt::kMaxPixels - 1);
  check_range("batch", batch, 0, mapt::kMaxPixels - 1);
  Device::check_images(boxes, batch);
}

template <class Device>
struct Pyramid {
  std::vector<Tensor> levels;
  std::vector<int64_t> heights, widths;
  Tensor boxes;

  Pyramid(at::TensorList features, const Tensor& boxes, at::IntArrayRef strides, int64_t size, int64_t ratio) {
    TORCH_CHECK(!features.empty(), "mapt: no features");
    for (const Tensor& feature : features) {
      check_like(feature, "features", features[0], 4);
      TORCH_CHECK(feature.size(0) == features[0].size(0) && feature.size(1) == features[0].size(1),
                  "mapt: features of ", feature.sizes(), " beside ", features[0].sizes());
      check_map(feature.size(2), feature.size(3));
      levels.push_back(feature.contiguous());
      heights.push_back(feature.size(2));
      widths.push_back(feature.size(3));
    }
    check_device(boxes, "boxes", levels[0]);
    this->boxes = boxes.to(levels[0].scalar_type()).contiguous();
    check_roi<Device>(this->boxes, levels.size(), strides, batch(), size, ratio);
  }

  int64_t batch() const { return levels[0].size(0); }
  int64_t channels() const { return levels[0].size(1); }
};

template <class Device>
void run_roi_align(const Pyramid<Device>& pyramid, at::IntArrayRef strides, int64_t size, int64_t ratio,
                   const Tensor& out) {
  for_float_type(out, [&](auto zero) {
    using T = decltype(zero);
    auto p = roi_params<T>(pyramid.boxes, pyramid.heights, pyramid.widths, strides, pyramid.batch(), pyramid.channels(),
                           size, ratio);
    for (int l = 0; l < mapt::kLevels; ++l) p.features[l] = data<T>(pyramid.levels[l]);
    p.out = mutable_data<T>(out);
    Device::template roi_align<T>(p, out);
  });
}

template <class Device>
Tensor multiscale_roi_align(at::TensorList features, const Tensor& boxes, int64_t output_size, at::IntArrayRef strides,
                            int64_t sampling_ratio) {
  const Pyramid<Device> pyramid(features, boxes, strides, output_size, sampling_ratio);
  const std::array<int64_t, 4> shape{boxes.size(0), pyramid.channels(), output_size, output_size};
  check_small("the output", shape);
  Tensor out = at::empty(shape, pyramid.levels[0].options());
  run_roi_align(pyramid, strides, output_size, sampling_ratio, out);
  return out;
}

template <class Device>
void multiscale_roi_align_out(at::TensorList features, const Tensor& boxes, int64_t output_size,
                              at::IntArrayRef strides, int64_t sampling_ratio, const Tensor& out) {
  const Pyramid<Device> pyramid(features, boxes, strides, output_size, sampling_ratio);
  check_out(out, "out", {boxes.size(0), pyramid.channels(), output_size, output_size}, pyramid.levels[0]);
  run_roi_align(pyramid, strides, output_size, sampling_ratio, out);
}

template <class Device>
std::vector<Tensor> multiscale_roi_align_backward(const Tensor& grad, const Tensor& boxes, at::IntArrayRef heights,
                                                  at::IntArrayRef widths, int64_t batch, at::IntArrayRef strides,
                                                  int64_t sampling_ratio) {
  const Tensor from = grad.contiguous(), rows = boxes.to(grad.scalar_type()).contiguous();
  check_like(from, "grad", from, 4);
  TORCH_CHECK(widths.size() == heights.size(), "mapt: ", widths.size(), " widths and ", heights.size(), " heights");
  check_device(boxes, "boxes", from);
  check_roi<Device>(rows, heights.size(), strides, batch, from.size(2), sampling_ratio);
  check_shape(from, "grad", {rows.size(0), from.size(1), from.size(2), from.size(2)});
  std::vector<Tensor> grads;
  for (size_t l = 0; l < heights.size(); ++l) {
    check_map(heights[l], widths[l]);
    const std::array<int64_t, 4> shape{batch, from.size(1), heights[l], widths[l]};
    check_small("a gradient", shape);
    grads.push_back(at::empty(shape, from.options()));
  }
  for_float_type(from, [&](auto zero) {
    using T = decltype(zero);
    mapt::RoiAlignGrad<T> g{
        roi_params<T>(rows, heights, widths, strides, batch, from.size(1), from.size(2), sampling_ratio),
        data<T>(from),
        {}};
    for (int l = 0; l < mapt::kLevels; ++l) g.grads[l] = mutable_data<T>(grads[l]);
    Device::template roi_align_backward<T>(g, from);
  });
  return grads;
}

template <class Device>
void add_roi_align(torch::Library& m) {
  m.impl("multiscale_roi_align", &multiscale_roi_align<Device>);
  m.impl("multiscale_roi_align_out", &multiscale_roi_align_out<Device>);
  m.impl("multiscale_roi_align_backward", &multiscale_roi_align_backward<Device>);
}

}  // namespace mapt_torch
