// The five subgraphs of a bundle on whatever runs them, between tensors that stay where they are computed.
#pragma once

#include <memory>

#include "runtime/backends/resident_tensors.h"
#include "runtime/backends/resize.h"
#include "runtime/backends/subgraph_runner.h"
#include "runtime/core/network.h"

namespace mapt {

class BundleNetwork final : public Network {
 public:
  // Lays out all tensors, and lets the runner rehearse. Throws DeviceError where there is too little memory, and
  // InputError where a subgraph does not run.
  BundleNetwork(std::unique_ptr<SubgraphRunner> runner, const ModelInfo& info);

  const ModelInfo& info() const override { return info_; }
  Status prepare(const Image& image, const Letterbox& letterbox, const uint8_t** pixels) noexcept override;
  Status backbone() noexcept override;
  Status semantic(int features, Perception* seen) noexcept override;
  Status instance(Perception* seen) noexcept override;
  Status wait(Perception* seen) noexcept override;
  Status logits(const LogitRows& wanted, const float** planes) noexcept override;
  Status motion(const MotionCall& call, const float** propagated) noexcept override;
  Status appearance(const AppearanceCall& call, const float** embeddings) noexcept override;
  Status read_features(int slot, float* out) noexcept override;
  Status write_features(int slot, const float* in) noexcept override;
  const char* provider(int subgraph) const noexcept override {
    return runner_->provider(static_cast<Subgraph>(subgraph));
  }

  // For tests of the whole: what runs, and its tensors.
  SubgraphRunner& runner() { return *runner_; }
  ResidentTensors& tensors() { return tensors_; }

 private:
  Status run(Subgraph subgraph) noexcept;
  Status download(Subgraph subgraph) noexcept;
  Status check(Subgraph subgraph, const char* name, const Tensor& tensor) const noexcept;
  Status call(int number, const CallTensors** tensors) noexcept;

  std::unique_ptr<SubgraphRunner> runner_;  // its memory holds the tensors
  ModelInfo info_;
  ResidentTensors tensors_;
  LinearResize resize_;
};

}  // namespace mapt
