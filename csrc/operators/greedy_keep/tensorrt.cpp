// Greedy suppression as a TensorRT plugin, with the name and the input that mapt/ops gives the node.
#include "operators/greedy_keep/params.h"
#include "tensorrt/plugin.h"

namespace mapt_trt {
namespace {

// suppresses (n,n) -> keep (n), 1 or 0
struct GreedyKeep {
  static constexpr const char* kName = "GreedyKeep";
  static constexpr const Field* kDeclared = nullptr;
  static constexpr int32_t kCount = 0, kMinInputs = 1, kMaxInputs = 1, kRanks[] = {2};
  static constexpr bool is_float32(int32_t) { return false; }

  static DimsExprs shape(const Fields&, const DimsExprs* in, IExprBuilder&) { return dims({in[0].d[0]}); }
  static std::string check(const Fields&, const Sizes& s) {
    return s.is(0, 0, s(0, 1)) ? "" : "suppresses is not (n, n)";
  }
  static size_t workspace(const Fields&, const Sizes& s) {
    return mapt::cuda_workspace_bytes(mapt::GreedyKeep<float>{nullptr, nullptr, s(0, 0)});
  }
  template <class T>
  static const char* run(const Fields&, const Call& call) {
    const mapt::GreedyKeep<T, float> p{call.input<T>(0), static_cast<T*>(call.output), call.sizes(0, 0)};
    return mapt::run_on_cuda(p, call.workspace, call.stream);
  }
};

Register<GreedyKeep> greedy_keep;

}  // namespace
}  // namespace mapt_trt
