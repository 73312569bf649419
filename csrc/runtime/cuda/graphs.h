// Captures what subgraphs queue on a GPU, and replays it as one CUDA graph; `runtime/backends/device/graphs.py`.
#pragma once

#include <array>
#include <vector>

#include "runtime/backends/subgraph_runner.h"
#include "runtime/cuda/memory.h"

namespace mapt {

// Queues a subgraph's work on a stream.
using Queue = Status (*)(void* context, Subgraph subgraph, CuStream stream);

// The graphs of one network, one for each set of addresses that a subgraph works on. A subgraph that cannot be captured
// is queued as it is, from then on. Work is captured from a stream on which nothing else is queued.
class CudaGraphs {
 public:
  // Throws DeviceError. The memory has to live longer.
  explicit CudaGraphs(CudaMemory& memory);
  ~CudaGraphs();
  CudaGraphs(const CudaGraphs&) = delete;
  CudaGraphs& operator=(const CudaGraphs&) = delete;

  // Replays a subgraph on these addresses; the first time, captures it. The GPU's context is current.
  Status launch(Subgraph subgraph, const Addresses& addresses, Queue queue, void* context) noexcept;

  // Why a subgraph cannot be captured; empty where it can.
  const char* failed(Subgraph subgraph) const noexcept { return failed_[static_cast<std::size_t>(subgraph)]; }

 private:
  struct Captured {
    Addresses addresses;
    CuGraphExec graph;
  };

  Status capture(Subgraph subgraph, Queue queue, void* context, CuGraphExec* graph) noexcept;

  CudaMemory& memory_;
  CuStream stream_ = nullptr;
  std::array<std::vector<Captured>, kSubgraphCount> graphs_;
  char failed_[kSubgraphCount][Status::kRoom] = {};
};

}  // namespace mapt
