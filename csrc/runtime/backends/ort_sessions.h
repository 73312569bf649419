// One session of ONNX Runtime per subgraph of a bundle; `runtime/backends/ort.py`.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "runtime/backends/options.h"
#include "runtime/backends/ort_library.h"
#include "runtime/backends/tensors.h"
#include "runtime/bundle/bundle.h"
#include "runtime/core/status.h"

namespace mapt {

constexpr int kSubgraphCount = static_cast<int>(Subgraph::kCount);

class OrtSessions {
 public:
  // Throws InputError: a graph that ONNX Runtime does not load or that is not the contract's, too many threads, or CUDA
  // was asked for and does not come up.
  OrtSessions(std::shared_ptr<const OrtLibrary> library, const Bundle& bundle, const NetworkOptions& options);
  ~OrtSessions();
  OrtSessions(const OrtSessions&) = delete;
  OrtSessions& operator=(const OrtSessions&) = delete;

  // Runs a subgraph on tensors in the contract's order, which may lie on the host or on the sessions' device.
  Status run(Subgraph subgraph, const OrtValue* const* inputs, OrtValue** outputs) const noexcept;

  // A tensor where the sessions compute.
  Tensor on_device(const TensorSpec& spec, const Shape& shape) const;

  const OrtLibrary& library() const { return *library_; }
  bool on_cuda() const { return cuda_; }
  const char* provider() const { return provider_.c_str(); }

 private:
  OrtSession* open(const BundleFile& graph, const OrtSessionOptions* settings) const;
  void check_contract(const BundleFile& graph, Subgraph subgraph, const Sizes& sizes) const;
  void release() noexcept;

  std::shared_ptr<const OrtLibrary> library_;
  bool cuda_ = false;
  std::string provider_;
  std::array<OrtSession*, kSubgraphCount> sessions_{};
  OrtAllocator* device_ = nullptr;
};

}  // namespace mapt
