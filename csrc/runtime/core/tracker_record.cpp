// Recording what the networks give.
#include <exception>

#include "runtime/core/tracker.h"
#include "runtime/core/turn.h"

namespace mapt {

Status Tracker::record_begin(std::vector<uint8_t>* bytes) noexcept {
  const Turn turn(&turn_);
  if (!turn.mine()) return busy();
  try {
    *bytes = recorder_.start(owner_.association, asked_objects_);
  } catch (const std::exception& error) {
    return Status::of(Code::kStep, "the record cannot begin (%s)", error.what());
  }
  recordable_ = false;
  return {};
}

Status Tracker::record_frame(const Frame& frame, const RecordPlace& place, std::vector<uint8_t>* bytes) noexcept {
  const Turn turn(&turn_);
  if (!turn.mine()) return busy();
  if (!recorder_.keeping()) return Status::of(Code::kInput, "no record has begun; begin one first");
  if (!recordable_ || frame.stamp_ns != recordable_ns_) {
    return Status::of(Code::kInput, "the frame is not the one that was labelled last; record it after its step");
  }
  try {
    *bytes = recorder_.write(frame, place);
  } catch (const std::exception& error) {
    return Status::of(Code::kStep, "the frame cannot be recorded (%s)", error.what());
  }
  return {};
}

Status Tracker::record_end() noexcept {
  const Turn turn(&turn_);
  if (!turn.mine()) return busy();
  recorder_.stop();
  return {};
}

}  // namespace mapt
