// What runs the five subgraphs: ONNX Runtime or TensorRT.
#pragma once

#include "runtime/backends/device_memory.h"
#include "runtime/core/contract.h"
#include "runtime/core/status.h"

namespace mapt {

constexpr int kSubgraphCount = static_cast<int>(Subgraph::kCount);
constexpr int kMostTensors = 8;  // inputs or outputs of a subgraph

inline const SubgraphSpec& spec_of(Subgraph subgraph) { return kSubgraphs[static_cast<int>(subgraph)]; }

// Where the tensors of a subgraph lie in the runner's memory, in the contract's order.
struct Addresses {
  void* inputs[kMostTensors] = {};
  void* outputs[kMostTensors] = {};
};

class SubgraphRunner {
 public:
  virtual ~SubgraphRunner() = default;

  virtual DeviceMemory& memory() noexcept = 0;

  // Queues a subgraph on the memory's stream.
  virtual Status run(Subgraph subgraph, const Addresses& addresses) noexcept = 0;

  // Prepares what costs time only once: it runs every subgraph on these addresses and waits. Throws InputError where
  // one does not run at all.
  virtual void rehearse(const Addresses (&)[kSubgraphCount]) {}

  // Names what runs a subgraph.
  virtual const char* provider(Subgraph subgraph) const noexcept = 0;

  // Whether float32 inputs are rounded to TF32.
  virtual bool rounds_to_tf32() const noexcept { return false; }
};

}  // namespace mapt
