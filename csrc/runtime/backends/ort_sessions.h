// One session of ONNX Runtime per subgraph of a bundle; `runtime/backends/ort.py`. On a CPU, trackers of the same
// graphs share them.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "runtime/backends/options.h"
#include "runtime/backends/ort_binding.h"
#include "runtime/backends/ort_library.h"
#include "runtime/backends/ort_provider.h"
#include "runtime/backends/subgraph_runner.h"
#include "runtime/bundle/bundle.h"

namespace mapt {

class OrtSessions final : public SubgraphRunner {
 public:
  // Throws InputError: a graph that ONNX Runtime does not load or that is not the contract's, too many threads, or CUDA
  // was asked for and does not come up. The bundle is read until the rehearsal is over.
  OrtSessions(std::shared_ptr<const OrtLibrary> library, const Bundle& bundle, const NetworkOptions& options);

  DeviceMemory& memory() noexcept override { return *memory_; }
  Status run(Subgraph subgraph, const Addresses& addresses) noexcept override;
  // On a GPU, lets CUDA replay what a session queues as one graph, where that can be captured: not with control flow,
  // nor with a node on the CPU.
  void rehearse(const Addresses (&addresses)[kSubgraphCount]) override;
  const char* provider(Subgraph subgraph) const noexcept override {
    return providers_[static_cast<std::size_t>(subgraph)].c_str();
  }
  bool rounds_to_tf32() const noexcept override { return tf32_; }

 private:
  using Session = std::unique_ptr<BoundSession>;
  using Place = std::unique_ptr<OrtMemoryInfo, decltype(OrtApi::ReleaseMemoryInfo)>;

  Session open(Subgraph subgraph, OrtRuns runs) const;
  SharedSession load(const BundleFile& graph, const SessionOptions& settings) const;
  void check_contract(const BundleFile& graph, Subgraph subgraph, OrtSession* session) const;
  std::unique_ptr<SessionOptions> settings() const;
  void open_memory();

  std::shared_ptr<const OrtLibrary> library_;
  const Bundle* bundle_;
  NetworkOptions options_;
  int threads_ = 1;
  bool cuda_ = false;
  bool tf32_ = false;
  std::unique_ptr<DeviceMemory> memory_;
  Place place_;  // of the memory, as ONNX Runtime names it
  std::unique_ptr<SessionOptions> plain_, capturing_;
  std::array<Session, kSubgraphCount> sessions_;
  std::array<std::string, kSubgraphCount> providers_;
};

}  // namespace mapt
