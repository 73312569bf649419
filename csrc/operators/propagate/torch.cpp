// propagate_masks for PyTorch: checks, sizes and memory around the kernels.
#include "operators/propagate/params.h"
#include "torch/device.h"

namespace {

using namespace mapt_torch;

struct Motion {
  Tensor masks, offsets, weights, projection, bias, boxes;

  Motion(const Tensor& masks, const Tensor& offsets, const Tensor& weights)
      : masks(masks.contiguous()), offsets(offsets.contiguous()), weights(weights.contiguous()) {
    check_like(this->masks, "masks", this->masks, 4);
    check_coordinates(this->offsets, "offsets", this->masks, 4);
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
    check_device(boxes, "boxes", masks);
    check_shape(boxes, "boxes", {masks.size(0), 4});
    check_small("the output", features_shape());
    this->boxes = boxes.to(coordinate_type(masks)).contiguous();
  }

  std::vector<int64_t> features_shape() const {
    return {masks.size(0), mapt::kFields * weights.size(1), mapt::kFeatureSize, mapt::kFeatureSize};
  }

  // Undefined `logits` or `features` are not computed.
  void run(const Tensor& logits, const Tensor& features) const {
    for_value_type(masks, [&](auto value, auto coordinate) {
      using T = decltype(value);
      using C = decltype(coordinate);
      const mapt::Propagate<T, C> params{
          data<T>(masks), data<C>(offsets), data<T>(weights),        data<T>(projection),
          data<T>(bias),  data<C>(boxes),   mutable_data<T>(logits), mutable_data<T>(features),
          masks.size(0),  masks.size(2),    masks.size(3),           weights.size(1)};
      mapt_torch::run(params, masks);
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

#if !defined(MAPT_TORCH_CUDA)
TORCH_LIBRARY_FRAGMENT(mapt, m) {
  m.def(
      "propagate_masks(Tensor masks, Tensor offsets, Tensor weights, Tensor projection, Tensor bias, Tensor? boxes) "
      "-> (Tensor, Tensor)");
  m.def(
      "propagate_masks_out(Tensor masks, Tensor offsets, Tensor weights, Tensor projection, Tensor bias, "
      "Tensor? boxes, Tensor(a!) logits, Tensor(b!)? features) -> ()");
  m.def("propagated_features(Tensor masks, Tensor offsets, Tensor weights, Tensor boxes) -> Tensor");
  m.def("propagated_features_out(Tensor masks, Tensor offsets, Tensor weights, Tensor boxes, Tensor(a!) out) -> ()");
}
#endif

TORCH_LIBRARY_IMPL(mapt, MAPT_TORCH_DEVICE, m) {
  m.impl("propagate_masks", &propagate_masks);
  m.impl("propagate_masks_out", &propagate_masks_out);
  m.impl("propagated_features", &propagated_features);
  m.impl("propagated_features_out", &propagated_features_out);
}
