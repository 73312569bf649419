// Saved state and health.
#include <algorithm>
#include <cstring>

#include "runtime/capi/handles.h"

namespace {

// More than the header of saved bytes and the columns of a track take.
constexpr size_t kHeaderRoom = size_t{1} << 16, kTrackRoom = 256;

static_assert(static_cast<int>(mapt::HealthStatus::kFault) == MAPT_FAULT, "the status is that of mapt::HealthStatus");

}  // namespace

size_t mapt_state_room(const mapt_tracker* tracker) {
  const mapt::ModelInfo& info = tracker->network->info();
  const auto cells = static_cast<size_t>(info.cells8());
  const size_t tracks = static_cast<size_t>(info.thresholds.tracks_per_object) * static_cast<size_t>(info.slots());
  const size_t masks = static_cast<size_t>(info.slots()) * cells;
  const size_t looks = tracks * static_cast<size_t>(info.sizes.E);
  return kHeaderRoom + tracks * kTrackRoom +
         sizeof(float) * (static_cast<size_t>(info.sizes.S) * cells + masks + looks);
}

mapt_code mapt_save(const mapt_tracker* tracker, void* bytes, size_t room, size_t* needed, mapt_error* error) {
  std::vector<uint8_t> saved;
  const mapt::Status status = tracker->tracker->save(&saved);
  if (!status.ok()) return mapt::tell(status, error);
  *needed = saved.size();
  if (!bytes || room < saved.size())
    return mapt::tell(MAPT_INPUT, "the saved state is larger than the room for it; mapt_state_room tells enough",
                      error);
  std::memcpy(bytes, saved.data(), saved.size());
  return mapt::tell(MAPT_OK, "", error);
}

mapt_code mapt_restore(mapt_tracker* tracker, const void* bytes, size_t size, mapt_error* error) {
  return mapt::tell(tracker->tracker->restore(static_cast<const uint8_t*>(bytes), size), error);
}

void mapt_read_health(const mapt_tracker* tracker, mapt_health* health) {
  const mapt::Health found = tracker->tracker->health();
  mapt_health out{};
  out.size = std::min(health->size, sizeof out);
  out.status = static_cast<int32_t>(found.status);
  out.has_frame = found.labelled;
  static_assert(sizeof out.reason == sizeof found.reason, "a reason is a status' text");
  std::memcpy(out.reason, found.reason, sizeof out.reason);
  out.degraded = found.degraded;
  out.alarms = found.alarms;
  out.frames = found.frames;
  out.refused = found.refused;
  out.failed = found.failed;
  out.stamp_ns = found.stamp_ns;
  out.age_ms = found.age_ms;
  out.busy_ms = found.busy_ms;
  for (int i = 0; i < MAPT_MS_COUNT; ++i) out.ms[i] = found.timings.ms[i];
  std::memcpy(health, &out, out.size);
}

const char* mapt_health_name(int32_t status) {
  const bool known = status >= 0 && status < static_cast<int32_t>(mapt::HealthStatus::kCount);
  return known ? mapt::kHealthStatusNames[status] : "UNKNOWN";
}
