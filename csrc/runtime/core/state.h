// Everything that a tracker remembers from frame to frame; `runtime/persistence/state.py: TrackerState` and
// `runtime/association/track_state.py: TrackState`. A step writes the next state beside the accepted one.
#pragma once

#include <vector>

#include "runtime/core/mask_rows.h"
#include "runtime/core/model_info.h"
#include "runtime/core/output_monitor.h"

namespace mapt {

struct Track {
  int32_t id = 0;
  int32_t label = 0;
  double score = 0;
  float box[4] = {};       // network pixels
  float velocity[2] = {};  // of the box's centre, network pixels a second
  int64_t age = 0;
  int64_t lost = 0;  // frames since it was last seen, 0 where it is active
  int64_t last_seen_ns = 0;
  int32_t mask = -1;  // row of its coarse mask; -1 where it is lost
};

struct TrackerState {
  TrackerState(const ModelInfo& info, int32_t capacity)
      : masks(info.height() / kCoarse, info.width() / kCoarse), embedding_size(info.sizes.E) {
    const int32_t most = capacity + info.slots();  // before the table is cut to its capacity
    tracks.reserve(most);
    embeddings.resize(int64_t{most} * embedding_size);
    recent.reserve(info.thresholds.churn_window + 1);
    masks.reserve(info.slots());
  }

  float* embedding(size_t track) { return embeddings.data() + track * embedding_size; }
  const float* embedding(size_t track) const { return embeddings.data() + track * embedding_size; }

  std::vector<Track> tracks;      // by rising id
  std::vector<float> embeddings;  // a row a track; zeros where no look was ever computed
  MaskRows masks;
  int64_t next_id = 1;
  bool known = false;    // there was a frame; else the rest means nothing
  int64_t stamp_ns = 0;  // of the last frame
  int64_t fresh_ns = 0;  // of the last frame whose pixels were new
  uint32_t pixels = 0;
  int32_t height = 0;  // of the last image
  int32_t width = 0;
  std::vector<Recent> recent;
  int32_t embedding_size;
};

// Seconds from one time to a later one.
inline double seconds_between(int64_t before_ns, int64_t now_ns) {
  return static_cast<double>(now_ns - before_ns) / 1e9;
}

}  // namespace mapt
