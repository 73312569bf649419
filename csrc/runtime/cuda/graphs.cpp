#include "runtime/cuda/graphs.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace mapt {

namespace {

constexpr std::size_t kMostGraphs = 16;  // of a subgraph: each holds memory, and a few serve all frames

}  // namespace

CudaGraphs::CudaGraphs(CudaMemory& memory) : memory_(memory) {
  for (auto& graphs : graphs_) graphs.reserve(kMostGraphs);
  const CudaScope scope(memory_.driver(), memory_.context());
  const CuResult result = memory_.driver().create_stream(&stream_, kNonBlockingStream);
  if (result != 0) throw DeviceError{"cuStreamCreate: " + memory_.driver().text_of(result)};
}

// Nobody is left to be told of an error here.
CudaGraphs::~CudaGraphs() {
  memory_.wait();
  const CudaScope scope(memory_.driver(), memory_.context());
  for (const auto& graphs : graphs_)
    for (const Captured& captured : graphs) memory_.driver().destroy_graph_exec(captured.graph);
  memory_.driver().destroy_stream(stream_);
}

Status CudaGraphs::launch(Subgraph subgraph, const Addresses& addresses, Queue queue, void* context) noexcept {
  const auto number = static_cast<std::size_t>(subgraph);
  auto& graphs = graphs_[number];
  auto* const stream = static_cast<CuStream>(memory_.stream());
  auto known = std::find_if(graphs.begin(), graphs.end(), [&](const Captured& captured) {
    return std::memcmp(&captured.addresses, &addresses, sizeof addresses) == 0;
  });
  if (known == graphs.end() && !failed_[number][0] && graphs.size() < kMostGraphs) {
    CuGraphExec graph = nullptr;
    const Status status = capture(subgraph, queue, context, &graph);
    if (status.ok()) {
      graphs.push_back({addresses, graph});
      known = graphs.end() - 1;
    } else {
      std::snprintf(failed_[number], sizeof failed_[number], "%s", status.text);
    }
  }
  if (known == graphs.end()) return queue(context, subgraph, stream);
  return memory_.told("cuGraphLaunch", memory_.driver().launch_graph(known->graph, stream));
}

Status CudaGraphs::capture(Subgraph subgraph, Queue queue, void* context, CuGraphExec* graph) noexcept {
  const CudaDriver& driver = memory_.driver();
  Status status = memory_.told("cuStreamBeginCapture", driver.begin_capture(stream_, kThreadLocalCapture), "");
  if (!status.ok()) return status;
  const Status queued = queue(context, subgraph, stream_);
  CuGraph captured = nullptr;
  status = memory_.told("cuStreamEndCapture", driver.end_capture(stream_, &captured), "");
  if (!queued.ok()) status = queued;  // the error that matters
  if (status.ok()) status = memory_.told("cuGraphInstantiate", driver.instantiate_graph(graph, captured, 0), "");
  if (captured) driver.destroy_graph(captured);
  return status;
}

}  // namespace mapt
