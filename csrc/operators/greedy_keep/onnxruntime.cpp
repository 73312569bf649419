// mapt::GreedyKeep: suppresses (n,n) -> keep (n), 1 or 0. It has no attributes.
#include "onnxruntime/custom_op.h"
#include "operators/greedy_keep/params.h"

namespace mapt_ort {
namespace {

template <class Device>
struct GreedyKeep {
  static constexpr const char* kName = "GreedyKeep";
  static constexpr size_t kInputs = 1, kOptional = 0;

  explicit GreedyKeep(const Attributes&) {}

  void compute(const Call& call) const {
    const Input suppresses = call.input(0);
    suppresses.check_dims("suppresses", 2);
    const int64_t count = suppresses.size(0);
    suppresses.check_shape("suppresses", {count, count});
    Device::run(call, mapt::GreedyKeep<float>{suppresses.data, call.output(0, {count}), count});
  }
};

Register<GreedyKeep> greedy_keep;

}  // namespace
}  // namespace mapt_ort
