// The operators on CPU tensors: checks, sizes and memory around the kernels of csrc/kernels.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "../kernels/kernels.h"

namespace {

using at::Tensor;

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

void check_like(const Tensor& tensor, const char* name, const Tensor& first, int64_t dims) {
  TORCH_CHECK(tensor.dim() == dims, "mapt: ", name, " has ", tensor.dim(), " dimensions, not ", dims);
  TORCH_CHECK(tensor.device().is_cpu(), "mapt: ", name, " is on ", tensor.device(), ", not on the CPU");
  TORCH_CHECK(tensor.scalar_type() == first.scalar_type(), "mapt: ", name, " is ", tensor.scalar_type(),
              ", the first argument ", first.scalar_type());
}

void check_shape(const Tensor& tensor, const char* name, at::IntArrayRef shape) {
  TORCH_CHECK(tensor.sizes() == shape, "mapt: ", name, " is ", tensor.sizes(), ", not ", shape);
}

void check_out(const Tensor& out, const char* name, at::IntArrayRef shape, const Tensor& first) {
  check_shape(out, name, shape);
  TORCH_CHECK(out.is_contiguous() && out.scalar_type() == first.scalar_type() && out.device().is_cpu(), "mapt: ", name,
              " is not a contiguous ", first.scalar_type(), " tensor on the CPU");
}

void check_map(int64_t height, int64_t width) {
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

// --- deform_conv2d ---

struct Convolution {
  Tensor input, offset, weight, bias;
  int64_t stride, padding, dilation;

  Convolution(const Tensor& input, const Tensor& offset, const Tensor& weight, const std::optional<Tensor>& bias,
              int64_t stride, int64_t padding, int64_t dilation)
      : input(input.contiguous()),
        offset(offset.contiguous()),
        weight(weight.contiguous()),
        stride(stride),
        padding(padding),
        dilation(dilation) {
    if (bias) this->bias = bias->contiguous();
    check();
  }

  std::vector<int64_t> out_shape() const { return {input.size(0), weight.size(0), out_size(0), out_size(1)}; }

  template <class T>
  mapt::DeformConv<T> params(T* out) const {
    return {data<T>(input),
            data<T>(offset),
            data<T>(weight),
            data<T>(bias),
            out,
            input.size(0),
            input.size(1),
            input.size(2),
            input.size(3),
            weight.size(0),
            weight.size(2),
            weight.size(3),
            out_size(0),
            out_size(1),
            stride,
            padding,
            dilation,
            offset.size(0) == 1 && input.size(0) != 1};
  }

 private:
  int64_t out_size(int axis) const {
    return (input.size(2 + axis) + 2 * padding - dilation * (weight.size(2 + axis) - 1) - 1) / stride + 1;
  }

  void check() const {
    check_like(input, "input", input, 4);
    check_like(offset, "offset", input, 4);
    check_like(weight, "weight", input, 4);
    check_map(input.size(2), input.size(3));
    TORCH_CHECK(stride > 0 && dilation > 0 && padding >= 0, "mapt: stride ", stride, ", padding ", padding,
                ", dilation ", dilation, ": positive ones are needed, padding may be 0");
    TORCH_CHECK(weight.size(1) == input.size(1), "mapt: weight reads ", weight.size(1), " channels, input has ",
                input.size(1));
    TORCH_CHECK(weight.size(2) > 0 && weight.size(3) > 0, "mapt: an empty kernel");
    TORCH_CHECK(input.size(2) + 2 * padding > dilation * (weight.size(2) - 1) &&
                    input.size(3) + 2 * padding > dilation * (weight.size(3) - 1),
                "mapt: the kernel is larger than the padded input");
    TORCH_CHECK(offset.size(0) == 1 || offset.size(0) == input.size(0), "mapt: offset has a batch of ", offset.size(0),
                ", not 1 or ", input.size(0));
    check_shape(offset, "offset", {offset.size(0), 2 * weight.size(2) * weight.size(3), out_size(0), out_size(1)});
    if (bias.defined()) {
      check_like(bias, "bias", input, 1);
      check_shape(bias, "bias", {weight.size(0)});
    }
  }
};

void run_convolution(const Convolution& c, const Tensor& out) {
  for_float_type(c.input, [&](auto zero) {
    using T = decltype(zero);
    mapt::cpu_kernels<T>().deform_conv2d(c.params<T>(mutable_data<T>(out)), torch_threads());
  });
}

Tensor deform_conv2d(const Tensor& input, const Tensor& offset, const Tensor& weight, const std::optional<Tensor>& bias,
                     int64_t stride, int64_t padding, int64_t dilation) {
  const Convolution c(input, offset, weight, bias, stride, padding, dilation);
  Tensor out = at::empty(c.out_shape(), c.input.options());
  run_convolution(c, out);
  return out;
}

void deform_conv2d_out(const Tensor& input, const Tensor& offset, const Tensor& weight,
                       const std::optional<Tensor>& bias, int64_t stride, int64_t padding, int64_t dilation,
                       const Tensor& out) {
  const Convolution c(input, offset, weight, bias, stride, padding, dilation);
  check_out(out, "out", c.out_shape(), c.input);
  run_convolution(c, out);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> deform_conv2d_backward(const Tensor& grad, const Tensor& input,
                                                                  const Tensor& offset, const Tensor& weight,
                                                                  int64_t stride, int64_t padding, int64_t dilation,
                                                                  std::array<bool, 4> wanted) {
  const Convolution c(input, offset, weight, std::nullopt, stride, padding, dilation);
  const Tensor from = grad.contiguous();
  check_like(from, "grad", c.input, 4);
  check_shape(from, "grad", c.out_shape());
  const auto made = [&](int which, at::IntArrayRef shape) {
    return at::empty(wanted[which] ? shape : at::IntArrayRef{0}, c.input.options());
  };
  const Tensor grads[4] = {made(0, c.input.sizes()), made(1, c.offset.sizes()), made(2, c.weight.sizes()),
                           made(3, {c.weight.size(0)})};
  for_float_type(c.input, [&](auto zero) {
    using T = decltype(zero);
    const auto target = [&](int which) { return wanted[which] ? mutable_data<T>(grads[which]) : nullptr; };
    mapt::cpu_kernels<T>().deform_conv2d_backward(
        {c.params<T>(nullptr), data<T>(from), target(0), target(1), target(2), target(3)}, torch_threads());
  });
  return {grads[0], grads[1], grads[2], grads[3]};
}

// --- multiscale_roi_align ---

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

void check_roi(const Tensor& boxes, size_t levels, at::IntArrayRef strides, int64_t batch, int64_t size,
               int64_t ratio) {
  TORCH_CHECK(levels == mapt::kLevels && strides.size() == mapt::kLevels, "mapt: ", levels, " features and ",
              strides.size(), " strides, not ", mapt::kLevels);
  TORCH_CHECK(size > 0 && ratio > 0, "mapt: output_size ", size, ", sampling_ratio ", ratio,
              ": positive ones are needed");
  for (const int64_t stride : strides) TORCH_CHECK(stride > 0, "mapt: a stride of ", stride);
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 5, "mapt: boxes is ", boxes.sizes(), ", not (R, 5)");
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
    this->boxes = boxes.to(levels[0].scalar_type()).contiguous();
    check_roi(this->boxes, levels.size(), strides, batch(), size, ratio);
  }

  int64_t batch() const { return levels[0].size(0); }
  int64_t channels() const { return levels[0].size(1); }
};

void run_roi_align(const Pyramid& pyramid, at::IntArrayRef strides, int64_t size, int64_t ratio, const Tensor& out) {
  for_float_type(out, [&](auto zero) {
    using T = decltype(zero);
    auto p = roi_params<T>(pyramid.boxes, pyramid.heights, pyramid.widths, strides, pyramid.batch(), pyramid.channels(),
                           size, ratio);
    for (int l = 0; l < mapt::kLevels; ++l) p.features[l] = data<T>(pyramid.levels[l]);
    p.out = mutable_data<T>(out);
    mapt::cpu_kernels<T>().roi_align(p, torch_threads());
  });
}

Tensor multiscale_roi_align(at::TensorList features, const Tensor& boxes, int64_t output_size, at::IntArrayRef strides,
                            int64_t sampling_ratio) {
  const Pyramid pyramid(features, boxes, strides, output_size, sampling_ratio);
  Tensor out = at::empty({boxes.size(0), pyramid.channels(), output_size, output_size}, pyramid.levels[0].options());
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
  check_roi(rows, heights.size(), strides, batch, from.size(2), sampling_ratio);
  check_shape(from, "grad", {rows.size(0), from.size(1), from.size(2), from.size(2)});
  std::vector<Tensor> grads;
  for (size_t l = 0; l < heights.size(); ++l) {
    check_map(heights[l], widths[l]);
    grads.push_back(at::empty({batch, from.size(1), heights[l], widths[l]}, from.options()));
  }
  for_float_type(from, [&](auto zero) {
    using T = decltype(zero);
    mapt::RoiAlignGrad<T> g{
        roi_params<T>(rows, heights, widths, strides, batch, from.size(1), from.size(2), sampling_ratio),
        data<T>(from),
        {}};
    for (int l = 0; l < mapt::kLevels; ++l) g.grads[l] = mutable_data<T>(grads[l]);
    mapt::cpu_kernels<T>().roi_align_backward(g, torch_threads());
  });
  return grads;
}

// --- propagate_masks ---

struct Motion {
  Tensor masks, offsets, weights, projection, bias, boxes;

  Motion(const Tensor& masks, const Tensor& offsets, const Tensor& weights)
      : masks(masks.contiguous()), offsets(offsets.contiguous()), weights(weights.contiguous()) {
    check_like(this->masks, "masks", this->masks, 4);
    check_like(this->offsets, "offsets", this->masks, 4);
    check_like(this->weights, "weights", this->masks, 5);
    check_map(masks.size(2), masks.size(3));
    check_shape(this->masks, "masks", {masks.size(0), 1, masks.size(2), masks.size(3)});
    check_shape(this->offsets, "offsets", {mapt::kFields, 2 * mapt::kFieldTaps, masks.size(2), masks.size(3)});
    check_shape(this->weights, "weights", {mapt::kFields, weights.size(1), 1, 3, 3});
  }

  void set_projection(const Tensor& projection, const Tensor& bias) {
    this->projection = projection.contiguous();
    this->bias = bias.contiguous();
    check_like(projection, "projection", masks, 1);
    check_like(bias, "bias", masks, 1);
    check_shape(projection, "projection", {mapt::kFields * weights.size(1)});
    check_shape(bias, "bias", {1});
  }

  void set_boxes(const Tensor& boxes) {
    TORCH_CHECK(boxes.device().is_cpu(), "mapt: boxes is on ", boxes.device(), ", not on the CPU");
    check_shape(boxes, "boxes", {masks.size(0), 4});
    this->boxes = boxes.to(masks.scalar_type()).contiguous();
  }

  std::vector<int64_t> features_shape() const {
    return {masks.size(0), mapt::kFields * weights.size(1), mapt::kFeatureSize, mapt::kFeatureSize};
  }

  // Undefined `logits` or `features` are not computed.
  void run(const Tensor& logits, const Tensor& features) const {
    for_float_type(masks, [&](auto zero) {
      using T = decltype(zero);
      mapt::cpu_kernels<T>().propagate(
          {data<T>(masks), data<T>(offsets), data<T>(weights), data<T>(projection), data<T>(bias), data<T>(boxes),
           mutable_data<T>(logits), mutable_data<T>(features), masks.size(0), masks.size(2), masks.size(3),
           weights.size(1)},
          torch_threads());
    });
  }
};

std::tuple<Tensor, Tensor> propagate_masks(const Tensor& masks, const Tensor& offsets, const Tensor& weights,
                                           const Tensor& projection, const Tensor& bias,
                                           const std::optional<Tensor>& boxes) {
  Motion motion(masks, offsets, weights);
  motion.set_projection(projection, bias);
  Tensor logits = at::empty(motion.masks.sizes(), motion.masks.options()), features;
  if (boxes) {
    motion.set_boxes(*boxes);
    features = at::empty(motion.features_shape(), motion.masks.options());
  }
  motion.run(logits, features);
  return {logits, features.defined() ? features : at::empty({0}, motion.masks.options())};
}

void propagate_masks_out(const Tensor& masks, const Tensor& offsets, const Tensor& weights, const Tensor& projection,
                         const Tensor& bias, const std::optional<Tensor>& boxes, const Tensor& logits,
                         const std::optional<Tensor>& features) {
  Motion motion(masks, offsets, weights);
  motion.set_projection(projection, bias);
  check_out(logits, "logits", motion.masks.sizes(), motion.masks);
  TORCH_CHECK(boxes.has_value() == features.has_value(), "mapt: boxes and the features' out= go together");
  if (boxes) {
    motion.set_boxes(*boxes);
    check_out(*features, "features", motion.features_shape(), motion.masks);
  }
  motion.run(logits, features.value_or(Tensor()));
}

Tensor propagated_features(const Tensor& masks, const Tensor& offsets, const Tensor& weights, const Tensor& boxes) {
  Motion motion(masks, offsets, weights);
  motion.set_boxes(boxes);
  Tensor features = at::empty(motion.features_shape(), motion.masks.options());
  motion.run(Tensor(), features);
  return features;
}

void propagated_features_out(const Tensor& masks, const Tensor& offsets, const Tensor& weights, const Tensor& boxes,
                             const Tensor& out) {
  Motion motion(masks, offsets, weights);
  motion.set_boxes(boxes);
  check_out(out, "out", motion.features_shape(), motion.masks);
  motion.run(Tensor(), out);
}

}  // namespace

TORCH_LIBRARY_IMPL(mapt, CPU, m) {
  m.impl("deform_conv2d", &deform_conv2d);
  m.impl("deform_conv2d_out", &deform_conv2d_out);
  m.impl("deform_conv2d_backward", &deform_conv2d_backward);
  m.impl("multiscale_roi_align", &multiscale_roi_align);
  m.impl("multiscale_roi_align_out", &multiscale_roi_align_out);
  m.impl("multiscale_roi_align_backward", &multiscale_roi_align_backward);
  m.impl("propagate_masks", &propagate_masks);
  m.impl("propagate_masks_out", &propagate_masks_out);
  m.impl("propagated_features", &propagated_features);
  m.impl("propagated_features_out", &propagated_features_out);
}

TORCH_LIBRARY_FRAGMENT(mapt, m) {
  m.def("cpu_isa() -> str", [] { return std::string(mapt::cpu_isa()); });
}
