// Steps and the frames that they fill.
#include <new>

#include "runtime/capi/handles.h"

namespace {

static_assert(sizeof(mapt_track) == 64 && sizeof(mapt_decision) == 56, "the structs have no padding");
static_assert(static_cast<int>(mapt::Timed::kCount) == MAPT_MS_COUNT, "the stages are those of mapt::Timed");
static_assert(static_cast<int>(mapt::Stage::kOverflow) == MAPT_OVERFLOW, "the stages are those of mapt::Stage");
static_assert(mapt::bit(mapt::Head::kMotion) == MAPT_NO_MOTION, "the bits are those of mapt::Head");
static_assert(mapt::bit(mapt::Alarm::kChurn) == MAPT_CHURN, "the bits are those of mapt::Alarm");

mapt_track public_track(const mapt::FrameTrack& track) {
  const double* box = track.box;
  return {track.id, track.label, track.score, {box[0], box[1], box[2], box[3]}, track.age, track.lost};
}

mapt_decision public_decision(const mapt::Decision& decision) {
  return {static_cast<int32_t>(decision.stage),
          decision.track,
          decision.detection,
          0,
          decision.score,
          decision.runner_up,
          decision.threshold,
          decision.margin,
          decision.gate};
}

// Lets the public struct show what the frame holds.
void show(mapt_frame& handle) {
  const mapt::Frame& frame = handle.frame;
  handle.tracks.clear();
  for (const mapt::FrameTrack& track : frame.tracks) handle.tracks.push_back(public_track(track));
  handle.decisions.clear();
  for (const mapt::Decision& decision : frame.decisions) handle.decisions.push_back(public_decision(decision));
  mapt_labels& labels = handle.labels;
  labels.stamp_ns = frame.stamp_ns;
  labels.height = frame.height;
  labels.width = frame.width;
  labels.semantic = frame.semantic.data();
  labels.instance = frame.instance.data();
  labels.tracks = handle.tracks.data();
  labels.decisions = handle.decisions.data();
  labels.track_count = static_cast<int32_t>(handle.tracks.size());
  labels.decision_count = static_cast<int32_t>(handle.decisions.size());
  labels.overflow = frame.overflow;
  labels.degraded = frame.degraded;
  labels.alarms = frame.alarms;
  for (int i = 0; i < MAPT_MS_COUNT; ++i) labels.ms[i] = frame.timings.ms[i];
}

}  // namespace

mapt_frame* mapt_frame_new(void) {
  auto* frame = new (std::nothrow) mapt_frame;
  if (frame) frame->labels.size = sizeof frame->labels;
  return frame;
}

void mapt_frame_free(mapt_frame* frame) { delete frame; }

const mapt_labels* mapt_frame_read(const mapt_frame* frame) { return &frame->labels; }

mapt_code mapt_step(mapt_tracker* tracker, const mapt_image* image, int64_t stamp_ns, const double* deadline_ms,
                    mapt_frame* frame, mapt_error* error) {
  mapt::Image view;
  view.data = image->rgb;
  view.height = image->height;
  view.width = image->width;
  view.stride = image->stride ? image->stride : 3 * int64_t{image->width};
  const mapt::Status status =
      tracker->tracker->step(view, stamp_ns, deadline_ms ? *deadline_ms : mapt::kNone, &frame->frame);
  if (!status.ok()) return mapt::tell(status, error);
  try {
    show(*frame);
  } catch (const std::bad_alloc&) {
    return mapt::tell(MAPT_STEP, "there is no memory for the frame's tracks; its labels are lost", error);
  }
  return mapt::tell(MAPT_OK, "", error);
}

mapt_code mapt_reset(mapt_tracker* tracker, mapt_error* error) { return mapt::tell(tracker->tracker->reset(), error); }

int64_t mapt_next_id(const mapt_tracker* tracker) { return tracker->tracker->next_id(); }
