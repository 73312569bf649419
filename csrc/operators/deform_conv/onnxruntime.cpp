// mapt::DeformConv2d: input (N,C,h,w), offset (N or 1, 2*k*k, oh, ow), weight (O,C,k,k), bias (O) or none ->
// (N,O,oh,ow); attributes stride, padding, dilation.
#include "onnxruntime/custom_op.h"
#include "operators/deform_conv/params.h"

namespace mapt_ort {
namespace {

template <class Device>
class DeformConv2d {
 public:
  static constexpr const char* kName = "DeformConv2d";
  static constexpr size_t kInputs = 4, kOptional = 1;

  explicit DeformConv2d(const Attributes& attributes)
      : stride_(attributes.integer("stride", 1, mapt::kMaxStep)),
        padding_(attributes.integer("padding", 0, mapt::kMaxStep)),
        dilation_(attributes.integer("dilation", 1, mapt::kMaxStep)) {}

  void compute(const Call& call) const {
    const Input input = call.input(0), offset = call.input(1), weight = call.input(2), bias = call.input(3);
    input.check_map("input");
    weight.check_dims("weight", 4);
    offset.check_dims("offset", 4);
    if (weight.size(1) != input.size(1)) {
      refuse("weight reads ", weight.size(1), " channels, input has ", input.size(1));
    }
    const int64_t batch = input.size(0), filters = weight.size(0), taps = weight.size(2) * weight.size(3);
    const int64_t height = out_size(input, weight, 2), width = out_size(input, weight, 3);
    if (!mapt::is_small_field(taps, height, width)) refuse("offset has more than 2^31 samples");
    const bool shared = offset.size(0) == 1 && batch != 1;
    offset.check_shape("offset", {shared ? 1 : batch, 2 * taps, height, width});
    if (bias.data) bias.check_shape("bias", {filters});
    float* out = call.output(0, {batch, filters, height, width});
    const mapt::DeformConv<float> params = {input.data,     offset.data,    weight.data,   bias.data,     out,
                                            batch,          input.size(1),  input.size(2), input.size(3), filters,
                                            weight.size(2), weight.size(3), height,        width,         stride_,
                                            padding_,       dilation_,      shared};
    Device::run(call, params);
  }

 private:
  int64_t out_size(const Input& input, const Input& weight, size_t axis) const {
    if (weight.size(axis) < 1) refuse("weight is ", weight.shape, ", an empty kernel");
    const int64_t side = mapt::convolved_side(input.size(axis), weight.size(axis), stride_, padding_, dilation_);
    if (side < 1) refuse("the kernel is larger than the padded input");
    return side;
  }

  int64_t stride_, padding_, dilation_;
};

Register<DeformConv2d> deform_conv2d;

}  // namespace
}  // namespace mapt_ort
