// Deformable convolution as a TensorRT plugin, with the name, inputs and attributes that mapt/ops gives the node.
#include "operators/deform_conv/params.h"
#include "tensorrt/plugin.h"

namespace mapt_trt {
namespace {

// Returns the side of a convolution's output, or an unknown side if the input's is unknown.
int64_t convolved(const Fields& fields, int64_t side, int64_t kernel) {
  if (side < 0 || kernel < 0) return -1;
  return mapt::convolved_side(side, kernel, fields[0], fields[1], fields[2]);
}

// input (N,C,h,w), offset (N or 1, 2*k*k, oh, ow) float32, weight (O,C,k,k), perhaps bias (O) -> (N,O,oh,ow)
struct DeformConv2d {
  static constexpr const char* kName = "DeformConv2d";
  static constexpr Field kDeclared[] = {
      {"stride", 1, 1, mapt::kMaxStep}, {"padding", 1, 0, mapt::kMaxStep}, {"dilation", 1, 1, mapt::kMaxStep}};
  static constexpr int32_t kCount = 3, kMinInputs = 3, kMaxInputs = 4, kRanks[] = {4, 4, 4, 1};
  static constexpr bool is_float32(int32_t input) { return input == 1; }

  static DimsExprs shape(const Fields&, const DimsExprs* in, IExprBuilder&) {
    return dims({in[0].d[0], in[2].d[0], in[1].d[2], in[1].d[3]});
  }
  static std::string check(const Fields& fields, const Sizes& s) {
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
  // Values in half precision need no more than float32.
  static size_t workspace(const Fields& fields, const Sizes& s) {
    return mapt::cuda_workspace_bytes(params<float>(fields, s));
  }
  template <class T>
  static const char* run(const Fields& fields, const Call& call) {
    mapt::DeformConv<T, float> p = params<T>(fields, call.sizes);
    p.input = call.input<T>(0), p.offset = call.input<float>(1), p.weight = call.input<T>(2);
    p.bias = call.input<T>(3), p.out = static_cast<T*>(call.output);
    return mapt::run_on_cuda(p, call.workspace, call.stream);
  }

 private:
  template <class T>
  static mapt::DeformConv<T, float> params(const Fields& fields, const Sizes& s) {
    mapt::DeformConv<T, float> p{};
    p.batch = s(0, 0), p.channels = s(0, 1), p.height = s(0, 2), p.width = s(0, 3);
    p.filters = s(2, 0), p.kernel_h = s(2, 2), p.kernel_w = s(2, 3), p.out_height = s(1, 2), p.out_width = s(1, 3);
    p.stride = fields[0], p.padding = fields[1], p.dilation = fields[2];
    p.shared = s(1, 0) == 1 && s(0, 0) != 1;
    return p;
  }
};

Register<DeformConv2d> deform_conv2d;

}  // namespace
}  // namespace mapt_trt
