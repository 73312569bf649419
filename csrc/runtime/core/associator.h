// The two-stage association (paper III-D): propagated masks first, embeddings for the rest.
// `runtime/association/associator.py: associate`
#pragma once

#include <vector>

#include "runtime/core/affinity.h"
#include "runtime/core/assignment.h"
#include "runtime/core/frame.h"
#include "runtime/core/fusion.h"
#include "runtime/core/state.h"

namespace mapt {

// What an association reads of a frame.
struct Sighting {
  const std::vector<Instance>& instances;
  const MaskRows& masks;  // visible masks, a row an instance
  // (n,E) unit embeddings of the instances; zeros where none was computed.
  const float* embeddings;
  // Masks of the active tracks, carried into this frame, in the tracks' order; none where that is not possible.
  const std::vector<CoarseMask>& propagated;
  int64_t stamp_ns;
};

class Associator {
 public:
  Associator(const ModelInfo& info, Association association, int32_t capacity);

  // Finds the track that each instance continues.
  void run(const TrackerState& before, const Sighting& seen, std::vector<Decision>* decisions);

  // By instance: the index of its track in the state before, or -1.
  const std::vector<int32_t>& matches() const { return matches_; }

  // By instance: what the nearest refused pair lacked of its threshold; infinity where none was.
  double lacking(int32_t instance) const { return lacking_[instance]; }

  // By instance: the least that a track took of the gate which looks alike and is too far; infinity likewise.
  double gate(int32_t instance) const { return gate_[instance]; }

 private:
  void match_masks(const TrackerState& before, const Sighting& seen, std::vector<Decision>* decisions);
  void match_looks(const TrackerState& before, const Sighting& seen, std::vector<Decision>* decisions);
  void list_candidates(const TrackerState& before, const Sighting& seen);
  void score_looks(const TrackerState& before, const Sighting& seen);
  void note_refused_looks(const TrackerState& before, const Sighting& seen);
  void expect(const Track& track, int64_t stamp_ns, float* box) const;

  const ModelInfo& info_;
  const Thresholds& thresholds_;
  Association association_;
  SoftIou iou_;
  Assignment assignment_;
  std::vector<int32_t> matches_;
  std::vector<double> lacking_, gate_;
  std::vector<int32_t> active_;              // indices of tracks
  std::vector<CoarseMask> visible_;          // by instance
  std::vector<int32_t> free_, rest_;         // tracks and instances that stage 2 may match
  std::vector<char> taken_;                  // by track
  std::vector<double> used_;                 // of the gate, free x rest
  std::vector<double> track_looks_, looks_;  // grained embeddings
};

}  // namespace mapt
