#include "tensorrt/operators.h"

namespace mapt_trt {
namespace {

DimsExprs dims(std::initializer_list<const nvinfer1::IDimensionExpr*> sides) {
  DimsExprs found;
  found.nbDims = 0;
  for (const nvinfer1::IDimensionExpr* side : sides) found.d[found.nbDims++] = side;
  return found;
}

// The side of a convolution's output; what is not known yet stays so.
int64_t convolved(const Fields& fields, int64_t side, int64_t kernel) {
  if (side < 0 || kernel < 0) return -1;
  return mapt::convolved_side(side, kernel, fields[0], fields[1], fields[2]);
}

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

}  // namespace

DimsExprs DeformConv2d::shape(const Fields&, const DimsExprs* in, IExprBuilder&) {
  return dims({in[0].d[0], in[2].d[0], in[1].d[2], in[1].d[3]});
}

std::string DeformConv2d::check(const Fields& fields, const Sizes& s) {
  if (!s.is(2, 1, s(0, 1))) return "weight does not read the input's channels";
  if (!s.is(1, 0, 1) && !s.is(1, 0, s(0, 0))) return "offset is for another batch";
  if (s(2, 2) >= 0 && s(2, 3) >= 0 && !s.is(1, 1, 2 * s(2, 2) * s(2, 3)))
    return "offset does not have two rows per tap";
  if (!s.is(1, 2, convolved(fields, s(0, 2), s(2, 2))) || !s.is(1, 3, convolved(fields, s(0, 3), s(2, 3)))) {
    return "offset does not have the output's size";
  }
  if (!s.is_map(0)) return "the input has more than 2^31 pixels";
  if (!mapt::is_small_field(s.known(2, 2) * s.known(2, 3), s.known(1, 2), s.known(1, 3))) {
    return "offset has more than 2^31 samples";
  }
  return s.count == 4 && !s.is(3, 0, s(2, 0)) ? "bias is not for the filters" : "";
}

template <class T>
const char* DeformConv2d::run(const Fields& fields, const Call& call) {
  const Sizes& s = call.sizes;
  return mapt::cuda_deform_conv2d<T, float>(
      {call.input<T>(0), call.input<float>(1), call.input<T>(2), call.input<T>(3), static_cast<T*>(call.output),
       s(0, 0), s(0, 1), s(0, 2), s(0, 3), s(2, 0), s(2, 2), s(2, 3), s(1, 2), s(1, 3), fields[0], fields[1], fields[2],
       s(1, 0) == 1 && s(0, 0) != 1},
      call.stream);
}

DimsExprs MultiscaleRoiAlign::shape(const Fields& fields, const DimsExprs* in, IExprBuilder& exprs) {
  const auto* size = exprs.constant(fields[0]);
  return dims({in[4].d[0], in[0].d[1], size, size});
}

std::string MultiscaleRoiAlign::check(const Fields&, const Sizes& s) {
  for (int32_t l = 1; l < mapt::kLevels; ++l) {
    if (!s.is(l, 0, s(0, 0)) || !s.is(l, 1, s(0, 1))) return "the levels differ in batch or channels";
  }
  for (int32_t l = 0; l < mapt::kLevels; ++l) {
    if (!s.is_map(l)) return "a level has more than 2^31 pixels";
  }
  return s.is(4, 1, 5) ? "" : "boxes are not (R, 5)";
}

template <class T>
const char* MultiscaleRoiAlign::run(const Fields& fields, const Call& call) {
  const Sizes& s = call.sizes;
  mapt::RoiAlign<T, float> p{};
  for (int32_t l = 0; l < mapt::kLevels; ++l) {
    p.features[l] = call.input<T>(l);
    p.heights[l] = s(l, 2), p.widths[l] = s(l, 3), p.strides[l] = fields[1 + l];
  }
  p.boxes = call.input<float>(4), p.out = static_cast<T*>(call.output);
  p.batch = s(0, 0), p.channels = s(0, 1), p.count = s(4, 0), p.size = fields[0], p.sampling_ratio = fields[5];
  return mapt::cuda_roi_align(p, call.stream);
}

DimsExprs PropagateMasks::shape(const Fields&, const DimsExprs* in, IExprBuilder&) { return in[0]; }

std::string PropagateMasks::check(const Fields&, const Sizes& s) {
  const std::string wrong = check_motion(s);
  if (!wrong.empty()) return wrong;
  if (s(2, 1) >= 0 && !s.is(3, 0, mapt::kFields * s(2, 1))) return "projection is not (4*C)";
  return s.is(4, 0, 1) ? "" : "bias is not (1)";
}

size_t PropagateMasks::workspace(const Fields&, const Sizes& s) { return mapt::cuda_propagate_bytes(motion<float>(s)); }

template <class T>
const char* PropagateMasks::run(const Fields&, const Call& call) {
  mapt::Propagate<T, float> p = motion<T>(call);
  p.projection = call.input<T>(3), p.bias = call.input<T>(4), p.logits = static_cast<T*>(call.output);
  return mapt::cuda_propagate(p, call.workspace, call.stream);
}

DimsExprs PropagatedFeatures::shape(const Fields&, const DimsExprs* in, IExprBuilder& exprs) {
  const auto* width = exprs.operation(nvinfer1::DimensionOperation::kPROD, *exprs.constant(mapt::kFields), *in[2].d[1]);
  const auto* size = exprs.constant(mapt::kFeatureSize);
  return dims({in[0].d[0], width, size, size});
}

std::string PropagatedFeatures::check(const Fields&, const Sizes& s) {
  const std::string wrong = check_motion(s);
  if (!wrong.empty()) return wrong;
  return s.is(3, 0, s(0, 0)) && s.is(3, 1, 4) ? "" : "boxes are not (N, 4)";
}

size_t PropagatedFeatures::workspace(const Fields&, const Sizes& s) {
  mapt::Propagate<float> p = motion<float>(s);
  float some;
  p.features = &some;  // only asked whether it is there
  return mapt::cuda_propagate_bytes(p);
}

template <class T>
const char* PropagatedFeatures::run(const Fields&, const Call& call) {
  mapt::Propagate<T, float> p = motion<T>(call);
  p.boxes = call.input<float>(3), p.features = static_cast<T*>(call.output);
  return mapt::cuda_propagate(p, call.workspace, call.stream);
}

#define MAPT_RUN(Operator)                                                    \
  template const char* Operator::run<float>(const Fields&, const Call&);      \
  template const char* Operator::run<mapt::Half>(const Fields&, const Call&); \
  template const char* Operator::run<mapt::BFloat16>(const Fields&, const Call&);
MAPT_RUN(DeformConv2d)
MAPT_RUN(MultiscaleRoiAlign)
MAPT_RUN(PropagateMasks)
MAPT_RUN(PropagatedFeatures)
#undef MAPT_RUN

}  // namespace mapt_trt
