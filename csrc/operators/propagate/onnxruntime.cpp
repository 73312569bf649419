// The collapsed motion step. masks (N,1,h,w), offsets (4,18,h,w), weights (4,C,1,3,3);
// mapt::PropagateMasks: and projection (4*C), bias (1) -> logits (N,1,h,w);
// mapt::PropagatedFeatures: and boxes (N,4) in input pixels -> (N,4*C,7,7). Neither has attributes.
#include "onnxruntime/custom_op.h"
#include "operators/propagate/params.h"

namespace mapt_ort {
namespace {

// Checks and returns the inputs that both operators read. All other parameters are null.
mapt::Propagate<float> motion(const Call& call) {
  const Input masks = call.input(0), offsets = call.input(1), weights = call.input(2);
  masks.check_map("masks");
  weights.check_dims("weights", 5);
  const int64_t count = masks.size(0), height = masks.size(2), width = masks.size(3), filters = weights.size(1);
  masks.check_shape("masks", {count, 1, height, width});
  offsets.check_shape("offsets", {mapt::kFields, 2 * mapt::kFieldTaps, height, width});
  weights.check_shape("weights", {mapt::kFields, filters, 1, 3, 3});
  mapt::Propagate<float> p{};
  p.masks = masks.data, p.offsets = offsets.data, p.weights = weights.data;
  p.count = count, p.height = height, p.width = width, p.filters = filters;
  return p;
}

template <class Device>
struct PropagateMasks {
  static constexpr const char* kName = "PropagateMasks";
  static constexpr size_t kInputs = 5, kOptional = 0;

  explicit PropagateMasks(const Attributes&) {}

  void compute(const Call& call) const {
    mapt::Propagate<float> p = motion(call);
    const Input projection = call.input(3), bias = call.input(4);
    projection.check_shape("projection", {mapt::kFields * p.filters});
    bias.check_shape("bias", {1});
    p.projection = projection.data, p.bias = bias.data;
    p.logits = call.output(0, {p.count, 1, p.height, p.width});
    Device::run(call, p);
  }
};

template <class Device>
struct PropagatedFeatures {
  static constexpr const char* kName = "PropagatedFeatures";
  static constexpr size_t kInputs = 4, kOptional = 0;

  explicit PropagatedFeatures(const Attributes&) {}

  void compute(const Call& call) const {
    mapt::Propagate<float> p = motion(call);
    const Input boxes = call.input(3);
    boxes.check_shape("boxes", {p.count, 4});
    p.boxes = boxes.data;
    p.features = call.output(0, {p.count, mapt::kFields * p.filters, mapt::kFeatureSize, mapt::kFeatureSize});
    Device::run(call, p);
  }
};

Register<PropagateMasks> propagate_masks;
Register<PropagatedFeatures> propagated_features;

}  // namespace
}  // namespace mapt_ort
