// mapt::ScaleBy: x of any shape -> x * factor; attribute factor.
#include "onnxruntime/custom_op.h"
#include "operators/scale_by/params.h"

namespace mapt_ort {
namespace {

template <class Device>
class ScaleBy {
 public:
  static constexpr const char* kName = "ScaleBy";
  static constexpr size_t kInputs = 1, kOptional = 0;

  explicit ScaleBy(const Attributes& attributes) : factor_(attributes.integer("factor", -1000, 1000)) {}

  void compute(const Call& call) const {
    const Input x = call.input(0);
    int64_t count = 1;
    for (const int64_t side : x.shape) count *= side;
    const mapt::ScaleBy<float> params{x.data, call.output(0, x.shape), count, static_cast<float>(factor_)};
    Device::run(call, params);
  }

 private:
  int64_t factor_;
};

Register<ScaleBy> scale_by;

}  // namespace
}  // namespace mapt_ort
