// The table of tracks after a frame; `runtime/association/tracks.py: TrackTable.update`.
#pragma once

#include "runtime/core/associator.h"
#include "runtime/core/status.h"

namespace mapt {

class TrackTable {
 public:
  TrackTable(const ModelInfo& info, Association association, int32_t capacity);

  // Gives every instance of a frame its identity, and writes the tracks after the frame, the masks apart. Decisions are
  // appended. Fails where all ids of 31 bits are used up.
  Status update(const TrackerState& before, const Sighting& seen, TrackerState* after,
                std::vector<Decision>* decisions);

  // The track of each instance; 0 where it continues none and is too weak to begin one.
  const std::vector<int32_t>& ids() const { return ids_; }

 private:
  // Where a track of the next state comes from.
  struct Source {
    Track track;
    const float* embedding = nullptr;  // of the track before, null where it is born
    int32_t instance = -1;             // that it is seen as
    bool kept = true;
  };

  void go_on(const TrackerState& before, const Sighting& seen);
  Track sighted(const Track& before, const Sighting& seen, int32_t instance) const;
  Status bear(const Sighting& seen, int64_t* next_id, std::vector<Decision>* decisions);
  void drop_lost(int64_t stamp_ns, std::vector<Decision>* decisions);
  void drop_surplus(int64_t stamp_ns, std::vector<Decision>* decisions);
  void write(const Sighting& seen, TrackerState* after);
  void mix_looks(const float* before, const float* look, float* mixed);

  const ModelInfo& info_;
  const Thresholds& thresholds_;
  int32_t capacity_;
  Associator associator_;
  std::vector<int32_t> ids_;
  std::vector<int32_t> seen_as_;  // by track of the state before: its instance, or -1
  std::vector<Source> sources_;
  std::vector<int32_t> surplus_;
  std::vector<float> squares_;
};

}  // namespace mapt
