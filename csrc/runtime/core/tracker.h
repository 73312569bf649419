// The tracker: an image in, labelled pixels with lasting ids out. `runtime/tracker.py` and `runtime/frame_maker.py`
// are its specification, and it gives the same ids, decisions, labels and saved bytes on the same network outputs.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/core/cues.h"
#include "runtime/core/detections.h"
#include "runtime/core/health.h"
#include "runtime/core/label_rendering.h"
#include "runtime/core/persistence.h"
#include "runtime/core/recording.h"
#include "runtime/core/requests.h"
#include "runtime/core/stuff.h"
#include "runtime/core/track_table.h"

namespace mapt {

// The steady clock.
int64_t steady_now();

struct TrackerOptions {
  Association association = Association::kFull;
  int32_t max_objects = 0;  // in a frame, the best scores win; 0: as many as the network has slots
  std::string model;        // what saved states belong to: the bundle's id
  Now now = steady_now;
};

// One thread at a time may call `step`, `reset`, `restore` or `record_...`; a second one gets kBusy. `health`, `save`
// and `next_id` may be called from any thread at any time. Whatever fails, the state is exactly as before.
//
// A step allocates nothing but what its frame holds, and not even that where the frame has held as much before.
class Tracker {
 public:
  // Takes all memory that steps need. Throws std::bad_alloc where there is not enough.
  Tracker(Network* network, const TrackerOptions& options);

  // Labels the next frame. `stamp_ns` lies above the last frame's by at most `max_jump` seconds. `deadline_ms` from the
  // call is when the frame is wanted; kNone: whenever it is done. `frame` may be the last one, whose memory is used
  // again.
  Status step(const Image& image, int64_t stamp_ns, double deadline_ms, Frame* frame) noexcept;

  // Forgets all tracks, as after a camera cut; ids go on counting.
  Status reset() noexcept;

  // Everything that the next step depends on, as bytes. During a step, it is the state before that step.
  Status save(std::vector<uint8_t>* bytes) noexcept;

  // Goes on where `save` was called, with the same ids as if it had never stopped.
  Status restore(const uint8_t* bytes, size_t size) noexcept;

  // A record of the run: what the networks gave, frame by frame. Its first bytes, then those of each frame after its
  // step, then nothing more is kept. Meanwhile steps allocate.
  Status record_begin(std::vector<uint8_t>* bytes) noexcept;
  Status record_frame(const Frame& frame, const RecordPlace& place, std::vector<uint8_t>* bytes) noexcept;
  Status record_end() noexcept;

  Health health() const { return record_.read(); }

  int64_t next_id() const { return next_id_.load(); }

 private:
  // What a step knows of its frame before it is labelled.
  struct Pass {
    int64_t stamp_ns = 0;
    Letterbox letterbox;
    ImageSummary look;
    Perception seen;
    Detections found;
    int64_t overflow = 0;
    bool frozen = false;
    bool follows = false;
  };

  Status next(const Image& image, int64_t stamp_ns, Stopwatch* watch, Frame* frame);
  Status perceive(const Image& image, int slot, Stopwatch* watch, Pass* pass);
  void choose_detections(Pass* pass);
  void follow(const TrackerState& before, Pass* pass, TrackerState* after) const;
  Status associate(const TrackerState& before, const Pass& pass, TrackerState* after, Frame* frame);
  Status render(const Pass& pass, const TrackerState& after, Frame* frame, bool* one_class);
  void judge(const TrackerState& before, const Pass& pass, bool one_class, TrackerState* after, Frame* frame) const;

  int free_slot();
  void commit(int slot);

  Recorder recorder_;  // on the network that was given
  Network* network_;   // the recorder
  const ModelInfo& info_;
  StateOwner owner_;
  int32_t asked_objects_;  // 0: no limit
  int32_t max_objects_;
  Now now_;

  // One state is accepted, one is being written, one may be read by a thread that saves. Their features lie in the
  // network's slots of the same numbers.
  std::vector<TrackerState> states_;
  std::mutex slots_;  // held for an assignment alone
  int accepted_slot_ = 0;
  int saved_slot_ = -1;
  std::mutex saving_;  // one thread saves at a time
  Accepted accepted_;
  std::atomic<int64_t> next_id_{1};

  std::atomic_flag turn_ = ATOMIC_FLAG_INIT;
  bool recordable_ = false;  // the networks' outputs are those of the frame of this time
  int64_t recordable_ns_ = 0;
  HealthRecord record_;
  Estimates estimates_;
  std::vector<int32_t> order_;
  Fusion fusion_;
  Cues cues_;
  TrackTable table_;
  StuffFilter stuff_;
  LabelRenderer renderer_;
};

}  // namespace mapt
