// The inputs of the association: the active tracks' masks in this frame, and the instances' embeddings.
// `runtime/association_inputs.py`
#pragma once

#include <vector>

#include "runtime/core/affinity.h"
#include "runtime/core/deadline.h"
#include "runtime/core/fusion.h"
#include "runtime/core/network.h"
#include "runtime/core/state.h"
#include "runtime/core/stopwatch.h"

namespace mapt {

// What the heads are run on.
struct CueRequest {
  const TrackerState* before = nullptr;  // null where this frame follows none
  int before_slot = 0;                   // of features
  int now_slot = 0;
  const std::vector<Instance>* instances = nullptr;
};

class Cues {
 public:
  Cues(const ModelInfo& info, Association association);

  // Makes room for this many active tracks.
  void reserve(int32_t active);

  // Runs the motion and the appearance head, as far as association and deadline allow.
  Status run(Network* network, const CueRequest& request, const Estimates& estimates, Stopwatch* watch);

  // The active tracks' masks, carried into this frame where motion ran; none where it follows no other.
  const std::vector<CoarseMask>& masks() const { return masks_; }

  // (n,E) unit embeddings; zeros where the head did not run.
  const float* embeddings() const { return embeddings_.data(); }

  uint32_t degraded() const { return degraded_; }  // heads left out for the deadline, a bit a Head
  const Calls& calls() const { return calls_; }

 private:
  void count_calls(int32_t instances);
  Status propagate(Network* network, const CueRequest& request);
  CoarseMask measured(const float* cells) const;
  Status embed(Network* network, const CueRequest& request);
  int32_t choose_rows(const std::vector<Instance>& instances, int32_t start);
  void normalise(int32_t count);

  const ModelInfo& info_;
  Association association_;
  std::vector<CoarseMask> masks_;
  std::vector<float> carried_;       // masks of the active tracks
  std::vector<float> staged_;        // masks of a call
  std::vector<int32_t> rows_;        // of a call
  std::vector<const float*> given_;  // what each call gave
  std::vector<float> embeddings_;
  std::vector<float> squares_;
  Calls calls_;
  uint32_t degraded_ = 0;
};

}  // namespace mapt
