// The tensors of one network where it computes, each laid out once; `runtime/backends/device/tensors.py`.
//
// A tensor that one subgraph makes and another one reads is one buffer, which never leaves the device. The host has
// memory of its own for what `TensorSpec::host` names, and for the logits, of which it reads a few rows in some frames.
#pragma once

#include <deque>
#include <vector>

#include "runtime/backends/subgraph_runner.h"
#include "runtime/backends/tensors.h"
#include "runtime/core/network.h"

namespace mapt {

// What one of a frame's calls of the motion and the appearance head reads and gives. Each call has its own, so that all
// can be queued before one is waited for.
struct CallTensors {
  Tensor masks_prev, motion_rows, propagated, f_p;
  Tensor appearance_rows, embeddings;
};

class ResidentTensors {
 public:
  // Throws DeviceError.
  ResidentTensors(DeviceMemory& memory, const ModelInfo& info);

  // A tensor of a subgraph that has one of that name for all frames and calls.
  const Tensor& input(Subgraph subgraph, const char* name) const noexcept;
  const Tensor& output(Subgraph subgraph, const char* name) const noexcept;
  // `s` of a frame.
  const Tensor& features(int slot) const noexcept { return features_[static_cast<std::size_t>(slot)]; }
  // Those of a call, the first of which are laid out already. Throws DeviceError.
  const CallTensors& call(int number);

  // Tell a subgraph which of several tensors it reads or fills next.
  void fill_features(int slot) noexcept;
  void bind_motion(const CallTensors& call, int before, int now) noexcept;
  void bind_appearance(const CallTensors& call) noexcept;

  const Addresses& addresses(Subgraph subgraph) const noexcept { return addresses_[static_cast<int>(subgraph)]; }
  const Addresses (&all_addresses() const)[kSubgraphCount] { return addresses_; }

 private:
  // A tensor of the contract.
  struct Named {
    const char* name;
    Shape shape;
    Tensor tensor;
  };

  void lay_out(const SubgraphSpec& spec, bool inputs);
  void lay_out_call();
  void bind(Subgraph subgraph, const char* name, const Tensor& tensor) noexcept;
  const Tensor& named(const TensorSpec& spec);

  DeviceMemory& memory_;
  Sizes sizes_;
  std::deque<Named> named_;
  std::vector<Tensor> features_;
  std::deque<CallTensors> calls_;
  const Tensor* inputs_[kSubgraphCount][kMostTensors] = {};
  const Tensor* outputs_[kSubgraphCount][kMostTensors] = {};
  Addresses addresses_[kSubgraphCount];
};

}  // namespace mapt
