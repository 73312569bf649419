// Runs a session of ONNX Runtime between tensors that stay in its device's memory; `runtime/backends/ort_binding.py`.
//
// Without it a session on a GPU copies its inputs there and its outputs back in every call, the pyramid three times a
// frame.
#pragma once

#include <vector>

#include "runtime/backends/ort_library.h"
#include "runtime/backends/shared_sessions.h"
#include "runtime/backends/subgraph_runner.h"
#include "runtime/backends/tensors.h"

namespace mapt {

// How a session is run.
enum class OrtRuns {
  kWaiting,   // a run waits for the device; on the host there is nothing to wait for
  kQueued,    // a run only queues its work on the session's stream
  kCaptured,  // the same, and what it queues for a set of addresses is replayed as one CUDA graph
};

ONNXTensorElementDataType element_type(const TensorSpec& spec);

class BoundSession {
 public:
  // The session may be another tracker's too. `place` is where the tensors lie, and has to live longer. Throws
  // OrtError.
  BoundSession(const OrtLibrary& library, SharedSession session, Subgraph subgraph, const Sizes& sizes,
               const OrtMemoryInfo* place, OrtRuns runs);
  ~BoundSession();
  BoundSession(const BoundSession&) = delete;
  BoundSession& operator=(const BoundSession&) = delete;

  OrtSession* session() const { return session_.get(); }
  bool captured() const { return runs_ == OrtRuns::kCaptured; }
  Status run(const Addresses& addresses) noexcept;

 private:
  struct Place {
    const TensorSpec* spec;
    Shape shape;
    bool input;
    void* bound = nullptr;
  };

  void add_options(const char* graph);
  void release() noexcept;
  OrtStatus* bind(Place& place, void* address) noexcept;
  const OrtRunOptions* options_for(const Addresses& addresses) noexcept;

  const OrtLibrary& library_;
  SharedSession session_;
  const SubgraphSpec& spec_;
  const OrtMemoryInfo* place_;
  OrtRuns runs_;
  OrtIoBinding* binding_ = nullptr;
  std::vector<Place> places_;            // inputs, then outputs
  std::vector<OrtRunOptions*> options_;  // without a graph, then one for each
  std::vector<Addresses> graphs_;        // what each graph was captured on
};

}  // namespace mapt
