// A tracker's state as bytes, the same as `runtime/persistence/state.py` writes and reads.
#pragma once

#include <string>
#include <vector>

#include "runtime/core/state.h"
#include "runtime/core/status.h"

namespace mapt {

// What saved states belong to.
struct StateOwner {
  const ModelInfo& info;
  std::string model;  // the bundle's id
  Association association;
  int32_t capacity;
};

// `features` are those of the last frame (S,H/8,W/8); not looked at before the first.
std::vector<uint8_t> save_state(const TrackerState& state, const StateOwner& owner, const float* features);

// Reads what `save_state` gave, checked in full. `features` gets S*H/8*W/8 values where there was a frame.
Status restore_state(const uint8_t* data, size_t size, const StateOwner& owner, TrackerState* state,
                     std::vector<float>* features);

}  // namespace mapt
