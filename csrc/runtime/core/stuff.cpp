#include "runtime/core/stuff.h"

#include <algorithm>

#include "runtime/core/clones.h"
#include "runtime/core/output_checks.h"

namespace mapt {
namespace {

constexpr int32_t kRun = 32;  // pixels that are counted at once where they are alike

// Adds the pixels of a row that no instance covers to the areas of their classes.
MAPT_CLONES void count_row(const uint8_t* labels, const int32_t* index, int32_t count, int64_t* areas) {
  int32_t x = 0;
  for (; x + kRun <= count; x += kRun) {
    int32_t covered = 0;
    uint8_t differs = 0;
    for (int32_t i = 0; i < kRun; ++i) covered |= index[x + i];
    for (int32_t i = 0; i < kRun; ++i) differs |= labels[x + i] ^ labels[x];
    if (!covered && !differs) {
      areas[labels[x]] += kRun;
    } else {
      for (int32_t i = 0; i < kRun; ++i) areas[labels[x + i]] += index[x + i] == 0;
    }
  }
  for (; x < count; ++x) areas[labels[x]] += index[x] == 0;
}

// The first pixel from `x` on in whose run another class begins, or one that has to be looked at.
MAPT_CLONES int32_t skip_runs(const uint8_t* labels, const bool* looked_at, int32_t x, int32_t count) {
  for (; x + kRun <= count && !looked_at[labels[x]]; x += kRun) {
    uint8_t differs = 0;
    for (int32_t i = 0; i < kRun; ++i) differs |= labels[x + i] ^ labels[x];
    if (differs) break;
  }
  return x;
}

}  // namespace

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
  choose_rows(labels, index, letterbox);
  const LogitRows wanted{enough_, enough_count_, rows_.data()};
  const float* logits = nullptr;
  Status status = network->logits(wanted, &logits);
  if (status.ok()) status = check_logits(logits, wanted, info_);
  if (!status.ok()) return status;
  std::copy(labels, labels + info_.pixels(), labels_.begin());
  for (int32_t y = 0; y < letterbox.inner_height; ++y) {
    if (!rows_[y / kStride]) continue;
    const int64_t row = int64_t{y} * info_.width();
    for (int32_t x = 0; x < letterbox.inner_width; ++x) {
      if (x % kRun == 0) x = skip_runs(labels + row, small_, x, letterbox.inner_width);
      if (x == letterbox.inner_width) break;
      if (small_[labels[row + x]] && index[row + x] == 0) labels_[row + x] = best(logits, y / kStride, x / kStride);
    }
  }
  *absorbed = labels_.data();
  return {};
}

void StuffFilter::count(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox, int64_t* areas) const {
  for (int32_t y = 0; y < letterbox.inner_height; ++y) {
    const int64_t row = int64_t{y} * info_.width();
    count_row(labels + row, index + row, letterbox.inner_width, areas);
  }
}

void StuffFilter::choose_rows(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox) {
  std::fill(rows_.begin(), rows_.end(), uint8_t{0});
  for (int32_t y = 0; y < letterbox.inner_height; ++y) {
    const int64_t row = int64_t{y} * info_.width();
    for (int32_t x = 0; x < letterbox.inner_width && !rows_[y / kStride]; ++x) {
      if (x % kRun == 0) x = skip_runs(labels + row, small_, x, letterbox.inner_width);
      if (x < letterbox.inner_width) rows_[y / kStride] = small_[labels[row + x]] && index[row + x] == 0;
    }
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
