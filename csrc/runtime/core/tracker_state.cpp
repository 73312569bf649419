// What a tracker remembers: forgetting, saving and restoring it.
#include <exception>

#include "runtime/core/tracker.h"
#include "runtime/core/turn.h"

namespace mapt {

Status Tracker::reset() noexcept {
  const Turn turn(&turn_);
  if (!turn.mine()) return busy();
  const int slot = free_slot();
  TrackerState& state = states_[slot];
  state.tracks.clear();
  state.recent.clear();
  state.known = false;
  state.pixels = 0;
  state.height = 0;
  state.width = 0;
  state.next_id = states_[accepted_slot_].next_id;
  accepted_ = {};
  commit(slot);
  return {};
}

Status Tracker::save(std::vector<uint8_t>* bytes) noexcept {
  const std::lock_guard<std::mutex> alone(saving_);
  int slot = 0;
  {
    const std::lock_guard<std::mutex> held(slots_);
    slot = saved_slot_ = accepted_slot_;
  }
  Status status;
  try {
    std::vector<float> features;
    if (states_[slot].known) {
      features.resize(info_.sizes.S * info_.cells8());
      status = network_->read_features(slot, features.data());
    }
    if (status.ok()) *bytes = save_state(states_[slot], owner_, features.data());
  } catch (const std::exception& error) {
    status = Status::of(Code::kStep, "the state cannot be saved (%s)", error.what());
  }
  const std::lock_guard<std::mutex> held(slots_);
  saved_slot_ = -1;
  return status;
}

Status Tracker::restore(const uint8_t* bytes, size_t size) noexcept {
  const Turn turn(&turn_);
  if (!turn.mine()) return busy();
  const int slot = free_slot();
  TrackerState& state = states_[slot];
  Status status;
  try {
    std::vector<float> features;
    status = restore_state(bytes, size, owner_, &state, &features);
    if (status.ok()) cues_.reserve(static_cast<int32_t>(state.tracks.size()));
    if (status.ok() && state.known) status = network_->write_features(slot, features.data());
  } catch (const std::exception& error) {
    status = Status::of(Code::kStep, "the state cannot be restored (%s)", error.what());
  }
  if (!status.ok()) return status;
  accepted_ = {state.known, state.stamp_ns};
  commit(slot);
  return {};
}

// A slot that neither is accepted nor being saved. One that is being saved was accepted before.
int Tracker::free_slot() {
  const std::lock_guard<std::mutex> held(slots_);
  int slot = 0;
  while (slot == accepted_slot_ || slot == saved_slot_) ++slot;
  return slot;
}

void Tracker::commit(int slot) {
  const std::lock_guard<std::mutex> held(slots_);
  accepted_slot_ = slot;
  next_id_.store(states_[slot].next_id);
}

}  // namespace mapt
