// The collapsed motion step as TensorRT plugins, with the names and inputs that mapt/ops gives the nodes.
#include "operators/propagate/params.h"
#include "tensorrt/plugin.h"

namespace mapt_trt {
namespace {

// The sizes that both parts of the motion step read.
std::string check_motion(const Sizes& s) {
  if (!s.is_map(0)) return "masks have more than 2^31 pixels";
  if (!s.is(0, 1, 1)) return "masks have more than one channel";
  if (!s.is(1, 0, mapt::kFields) || !s.is(1, 1, 2 * mapt::kFieldTaps) || !s.is(1, 2, s(0, 2)) || !s.is(1, 3, s(0, 3))) {
    return "offsets are not (4, 18, h, w) of the masks";
  }
  if (!s.is(2, 0, mapt::kFields) || !s.is(2, 2, 1) || !s.is(2, 3, 3) || !s.is(2, 4, 3)) {
    return "weights are not (4, C, 1, 3, 3)";
  }
  return "";
}

template <class T>
mapt::Propagate<T, float> motion(const Sizes& s) {
  mapt::Propagate<T, float> p{};
  p.count = s(0, 0), p.height = s(0, 2), p.width = s(0, 3), p.filters = s(2, 1);
  return p;
}

template <class T>
mapt::Propagate<T, float> motion(const Call& call) {
  mapt::Propagate<T, float> p = motion<T>(call.sizes);
  p.masks = call.input<T>(0), p.offsets = call.input<float>(1), p.weights = call.input<T>(2);
  return p;
}

// masks (N,1,h,w), offsets (4,18,h,w) float32, weights (4,C,1,3,3), projection (4*C), bias (1) -> logits (N,1,h,w)
struct PropagateMasks {
  static constexpr const char* kName = "PropagateMasks";
  static constexpr const Field* kDeclared = nullptr;
  static constexpr int32_t kCount = 0, kMinInputs = 5, kMaxInputs = 5, kRanks[] = {4, 4, 5, 1, 1};
  static constexpr bool is_float32(int32_t input) { return input == 1; }

  static DimsExprs shape(const Fields&, const DimsExprs* in, IExprBuilder&) { return in[0]; }
  static std::string check(const Fields&, const Sizes& s) {
    const std::string wrong = check_motion(s);
    if (!wrong.empty()) return wrong;
    if (s(2, 1) >= 0 && !s.is(3, 0, mapt::kFields * s(2, 1))) return "projection is not (4*C)";
    return s.is(4, 0, 1) ? "" : "bias is not (1)";
  }
  static size_t workspace(const Fields&, const Sizes& s) { return mapt::cuda_workspace_bytes(motion<float>(s)); }
  template <class T>
  static const char* run(const Fields&, const Call& call) {
    mapt::Propagate<T, float> p = motion<T>(call);
    p.projection = call.input<T>(3), p.bias = call.input<T>(4), p.logits = static_cast<T*>(call.output);
    return mapt::run_on_cuda(p, call.workspace, call.stream);
  }
};

// masks, offsets, weights as above, boxes (N,4) float32 in input pixels -> features (N,4*C,7,7)
struct PropagatedFeatures {
  static constexpr const char* kName = "PropagatedFeatures";
  static constexpr const Field* kDeclared = nullptr;
  static constexpr int32_t kCount = 0, kMinInputs = 4, kMaxInputs = 4, kRanks[] = {4, 4, 5, 2};
  static constexpr bool is_float32(int32_t input) { return input == 1 || input == 3; }

  static DimsExprs shape(const Fields&, const DimsExprs* in, IExprBuilder& exprs) {
    const auto* width =
        exprs.operation(nvinfer1::DimensionOperation::kPROD, *exprs.constant(mapt::kFields), *in[2].d[1]);
    const auto* size = exprs.constant(mapt::kFeatureSize);
    return dims({in[0].d[0], width, size, size});
  }
  static std::string check(const Fields&, const Sizes& s) {
    const std::string wrong = check_motion(s);
    if (!wrong.empty()) return wrong;
    return s.is(3, 0, s(0, 0)) && s.is(3, 1, 4) ? "" : "boxes are not (N, 4)";
  }
  static size_t workspace(const Fields&, const Sizes& s) {
    mapt::Propagate<float> p = motion<float>(s);
    float some;
    p.features = &some;  // the kernel only tests whether it is null
    return mapt::cuda_workspace_bytes(p);
  }
  template <class T>
  static const char* run(const Fields&, const Call& call) {
    mapt::Propagate<T, float> p = motion<T>(call);
    p.boxes = call.input<float>(3), p.features = static_cast<T*>(call.output);
    return mapt::run_on_cuda(p, call.workspace, call.stream);
  }
};

Register<PropagateMasks> propagate_masks;
Register<PropagatedFeatures> propagated_features;

}  // namespace
}  // namespace mapt_trt
