#include "runtime/core/detections.h"

#include <algorithm>
#include <numeric>

namespace mapt {
namespace {

bool is_falling(const float* scores, int32_t count) {
  for (int32_t i = 1; i < count; ++i) {
    if (!(scores[i] <= scores[i - 1])) return false;
  }
  return true;
}

}  // namespace

void sort_rows(const Perception& seen, std::vector<int32_t>* order) {
  order->resize(seen.count);
  std::iota(order->begin(), order->end(), 0);
  if (is_falling(seen.scores, seen.count)) return;
  std::sort(order->begin(), order->end(), [&seen](int32_t a, int32_t b) {
    if (seen.scores[a] != seen.scores[b]) return seen.scores[a] > seen.scores[b];
    for (int corner = 3; corner >= 0; --corner) {
      const float one = seen.boxes[4 * int64_t{a} + corner];
      const float other = seen.boxes[4 * int64_t{b} + corner];
      if (one != other) return one < other;
    }
    return a < b;
  });
}

int64_t count_worthy(const Detections& found, int32_t first, const Thresholds& thresholds) {
  int64_t worthy = 0;
  for (int32_t i = first; i < found.count; ++i) worthy += found.score(i) >= static_cast<float>(thresholds.score);
  return worthy;
}

}  // namespace mapt
