// The instance head's valid rows in falling order of score.
#pragma once

#include <vector>

#include "runtime/core/network.h"

namespace mapt {

constexpr int32_t kMaskSide = 28;  // of the instance head's own masks

struct Detections {
  const Perception* seen = nullptr;
  const int32_t* order = nullptr;  // (count,) rows of the instance head
  int32_t count = 0;

  float score(int32_t i) const { return seen->scores[order[i]]; }
  int32_t label(int32_t i) const { return seen->classes[order[i]]; }
  const float* box(int32_t i) const { return seen->boxes + 4 * int64_t{order[i]}; }
  const float* mask(int32_t i) const { return seen->mask_logits + kMaskSide * kMaskSide * int64_t{order[i]}; }
};

// Writes the rows of a frame in falling order of score into `order`, so that ids do not depend on the order in which
// the network gives them. Equal scores are sorted by their boxes.
void sort_rows(const Perception& seen, std::vector<int32_t>* order);

// How many of the detections from `first` on reach the score that is worth an instance.
int64_t count_worthy(const Detections& found, int32_t first, const Thresholds& thresholds);

}  // namespace mapt
