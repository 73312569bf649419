#include "runtime/core/output_monitor.h"

#include <algorithm>

#include "runtime/core/clones.h"
#include "runtime/core/crc32.h"

namespace mapt {
namespace {

struct Range {
  uint8_t low = 255;
  uint8_t high = 0;
};

MAPT_CLONES Range widen(Range range, const uint8_t* values, int64_t count) {
  uint8_t low = range.low;
  uint8_t high = range.high;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  return {low, high};
}

}  // namespace

ImageSummary look_at(const uint8_t* pixels, const Letterbox& letterbox, const ModelInfo& info) {
  Range range;
  const int64_t row = int64_t{info.width()} * 3;
  for (int32_t y = 0; y < letterbox.inner_height; ++y) {
    range = widen(range, pixels + y * row, int64_t{letterbox.inner_width} * 3);
  }
  return {range.high - range.low <= info.thresholds.blind_range, crc32(pixels, static_cast<size_t>(info.pixels() * 3))};
}

uint32_t alarms(const Suspicions& suspicions, const Recent* recent, int count, const Thresholds& thresholds) {
  int64_t births = 0;
  int64_t visible = 0;
  for (int i = 0; i < count; ++i) {
    births += recent[i].births;
    visible += recent[i].visible;
  }
  const bool churn = visible >= thresholds.churn_objects &&
                     static_cast<double>(births) > thresholds.churn_share * static_cast<double>(visible);
  return (suspicions.frozen ? bit(Alarm::kFrozen) : 0) | (suspicions.overflow > 0 ? bit(Alarm::kSaturated) : 0) |
         (suspicions.one_class ? bit(Alarm::kEmpty) : 0) | (churn ? bit(Alarm::kChurn) : 0);
}

}  // namespace mapt
