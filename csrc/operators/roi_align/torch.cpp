// multiscale_roi_align for PyTorch: checks, sizes and memory around the kernels.
#include "operators/roi_align/params.h"
#include "torch/device.h"

namespace {

using namespace mapt_torch;

// Fills sizes, strides and boxes.
template <class T, class C>
mapt::RoiAlign<T, C> roi_params(const Tensor& boxes, at::IntArrayRef heights, at::IntArrayRef widths,
                                at::IntArrayRef strides, int64_t batch, int64_t channels, int64_t size, int64_t ratio) {
  mapt::RoiAlign<T, C> p{};
  p.boxes = data<C>(boxes);
  p.batch = batch, p.channels = channels, p.count = boxes.size(0), p.size = size, p.sampling_ratio = ratio;
  for (int l = 0; l < mapt::kLevels; ++l) {
    p.heights[l] = heights[l], p.widths[l] = widths[l], p.strides[l] = strides[l];
  }
  return p;
}

void check_images(const Tensor& boxes, int64_t batch) {
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
  if constexpr (kReadsValues) check_images(boxes, batch);
}

// A GPU reads features with channels as the last axis in whole vectors of 16 bytes.
bool is_read_channels_last(const Tensor& feature) {
  const auto address = reinterpret_cast<uintptr_t>(feature.const_data_ptr());
  return feature.is_contiguous(at::MemoryFormat::ChannelsLast) && address % 16 == 0 &&
         feature.size(1) * feature.element_size() % 16 == 0;
}

struct Pyramid {
  std::vector<Tensor> levels;
  std::vector<int64_t> heights, widths;
  Tensor boxes;
  bool channels_last = kReadsChannelsLast;  // are all levels?

  Pyramid(at::TensorList features, const Tensor& boxes, at::IntArrayRef strides, int64_t size, int64_t ratio) {
    TORCH_CHECK(!features.empty(), "mapt: no features");
    for (const Tensor& feature : features) {
      check_like(feature, "features", features[0], 4);
      TORCH_CHECK(feature.size(0) == features[0].size(0) && feature.size(1) == features[0].size(1),
                  "mapt: features of ", feature.sizes(), " beside ", features[0].sizes());
      check_map(feature.size(2), feature.size(3));
      channels_last = channels_last && is_read_channels_last(feature);
      heights.push_back(feature.size(2));
      widths.push_back(feature.size(3));
    }
    for (const Tensor& feature : features) levels.push_back(channels_last ? feature : feature.contiguous());
    check_device(boxes, "boxes", levels[0]);
    this->boxes = boxes.to(coordinate_type(levels[0])).contiguous();
    check_roi(this->boxes, levels.size(), strides, batch(), size, ratio);
  }

  int64_t batch() const { return levels[0].size(0); }
  int64_t channels() const { return levels[0].size(1); }
};

void run_roi_align(const Pyramid& pyramid, at::IntArrayRef strides, int64_t size, int64_t ratio, const Tensor& out) {
  for_value_type(out, [&](auto value, auto coordinate) {
    using T = decltype(value);
    auto p = roi_params<T, decltype(coordinate)>(pyramid.boxes, pyramid.heights, pyramid.widths, strides,
                                                 pyramid.batch(), pyramid.channels(), size, ratio);
    for (int l = 0; l < mapt::kLevels; ++l) p.features[l] = data<T>(pyramid.levels[l]);
    p.out = mutable_data<T>(out);
    p.channels_last = pyramid.channels_last;
    run(p, out);
  });
}

Tensor multiscale_roi_align(at::TensorList features, const Tensor& boxes, int64_t output_size, at::IntArrayRef strides,
                            int64_t sampling_ratio) {
  const Pyramid pyramid(features, boxes, strides, output_size, sampling_ratio);
  const std::array<int64_t, 4> shape{boxes.size(0), pyramid.channels(), output_size, output_size};
  check_small("the output", shape);
  Tensor out = at::empty(shape, pyramid.levels[0].options().memory_format(at::MemoryFormat::Contiguous));
  run_roi_align(pyramid, strides, output_size, sampling_ratio, out);
  return out;
}

void multiscale_roi_align_out(at::TensorList features, const Tensor& boxes, int64_t output_size,
                              at::IntArrayRef strides, int64_t sampling_ratio, const Tensor& out) {
  const Pyramid pyramid(features, boxes, strides, output_size, sampling_ratio);
  check_out(out, "out", {boxes.size(0), pyramid.channels(), output_size, output_size}, pyramid.levels[0]);
  run_roi_align(pyramid, strides, output_size, sampling_ratio, out);
}

std::vector<Tensor> multiscale_roi_align_backward(const Tensor& grad, const Tensor& boxes, at::IntArrayRef heights,
                                                  at::IntArrayRef widths, int64_t batch, at::IntArrayRef strides,
                                                  int64_t sampling_ratio) {
  const Tensor from = grad.contiguous(), rows = boxes.to(grad.scalar_type()).contiguous();
  check_like(from, "grad", from, 4);
  TORCH_CHECK(widths.size() == heights.size(), "mapt: ", widths.size(), " widths and ", heights.size(), " heights");
  check_device(boxes, "boxes", from);
  check_roi(rows, heights.size(), strides, batch, from.size(2), sampling_ratio);
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
        roi_params<T, T>(rows, heights, widths, strides, batch, from.size(1), from.size(2), sampling_ratio),
        data<T>(from),
        {}};
    for (int l = 0; l < mapt::kLevels; ++l) g.grads[l] = mutable_data<T>(grads[l]);
    run(g, from);
  });
  return grads;
}

}  // namespace

#if !defined(MAPT_TORCH_CUDA)
TORCH_LIBRARY_FRAGMENT(mapt, m) {
  m.def(
      "multiscale_roi_align(Tensor[] features, Tensor boxes, int output_size, int[] strides, int sampling_ratio) "
      "-> Tensor");
  m.def(
      "multiscale_roi_align_out(Tensor[] features, Tensor boxes, int output_size, int[] strides, int sampling_ratio, "
      "Tensor(a!) out) -> ()");
  m.def(
      "multiscale_roi_align_backward(Tensor grad, Tensor boxes, SymInt[] heights, SymInt[] widths, SymInt batch, "
      "int[] strides, int sampling_ratio) -> Tensor[]");
}
#endif

TORCH_LIBRARY_IMPL(mapt, MAPT_TORCH_DEVICE, m) {
  m.impl("multiscale_roi_align", &multiscale_roi_align);
  m.impl("multiscale_roi_align_out", &multiscale_roi_align_out);
  m.impl("multiscale_roi_align_backward", &multiscale_roi_align_backward);
}
