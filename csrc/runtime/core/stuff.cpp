#include "runtime/core/stuff.h"

#include <algorithm>

#include "runtime/core/output_checks.h"

namespace mapt {

Status StuffFilter::run(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox, Network* network,
                        const uint8_t** absorbed) {
  *absorbed = labels;
  int64_t areas[256] = {};
  count(labels, index, letterbox, areas);
  const auto least = static_cast<float>(info_.thresholds.stuff_area);
  bool any = false;
  enough_count_ = 0;
  for (int32_t label = 0; label < 256; ++label) {
    const auto area = static_cast<float>(areas[label]);
    small_[label] = area > 0 && area < least;
    any = any || small_[label];
    if (label < info_.sizes.K && area >= least) enough_[enough_count_++] = label;
  }
  if (!any || !enough_count_) return {};
  const float* logits = nullptr;
  Status status = network->logits(&logits);
  if (status.ok()) status = check_logits(logits, info_);
  if (!status.ok()) return status;
  std::copy(labels, labels + info_.pixels(), labels_.begin());
  for (int32_t y = 0; y < letterbox.inner_height; ++y) {
    const int64_t row = int64_t{y} * info_.width();
    for (int32_t x = 0; x < letterbox.inner_width; ++x) {
      if (small_[labels[row + x]] && index[row + x] == 0) labels_[row + x] = best(logits, y / kStride, x / kStride);
    }
  }
  *absorbed = labels_.data();
  return {};
}

void StuffFilter::count(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox, int64_t* areas) const {
  int32_t lanes[4][256] = {};  // equal labels lie side by side, and would wait for each other
  for (int32_t y = 0; y < letterbox.inner_height; ++y) {
    const int64_t row = int64_t{y} * info_.width();
    for (int32_t x = 0; x < letterbox.inner_width; ++x) lanes[x & 3][labels[row + x]] += index[row + x] == 0;
  }
  for (int label = 0; label < 256; ++label) {
    for (const auto& lane : lanes) areas[label] += lane[label];
  }
}

// The class of the highest logit in a cell among those that are seen on enough pixels, the lowest id of equals.
uint8_t StuffFilter::best(const float* logits, int32_t y, int32_t x) const {
  const float* cell = logits + int64_t{y} * (info_.width() / kStride) + x;
  int32_t found = enough_[0];
  for (int32_t i = 1; i < enough_count_; ++i) {
    if (cell[enough_[i] * info_.cells4()] > cell[found * info_.cells4()]) found = enough_[i];
  }
  return static_cast<uint8_t>(found);
}

}  // namespace mapt
