#include "runtime/core/spatial_gate.h"

#include <algorithm>
#include <cmath>

namespace mapt {
namespace {

// The root of a box's area. A visible mask has a pixel; what a damaged state restores need not.
double size_of(const double* box) { return std::sqrt(std::max((box[2] - box[0]) * (box[3] - box[1]), 1.0)); }

}  // namespace

double reach_used(const float* expected, const float* box, const Thresholds& thresholds) {
  const double before[4] = {expected[0], expected[1], expected[2], expected[3]};
  const double now[4] = {box[0], box[1], box[2], box[3]};
  const double x = (((before[0] + before[2]) - now[0]) - now[2]) / 2;
  const double y = (((before[1] + before[3]) - now[1]) - now[3]) / 2;
  const double distance = std::sqrt(x * x + y * y);
  const double size_before = size_of(before);
  const double size_now = size_of(now);
  const double allowed = thresholds.reach * std::sqrt(size_before * size_now);
  const double ratio = std::max(size_before / size_now, size_now / size_before);
  return std::max(distance / allowed, ratio / thresholds.resize);
}

}  // namespace mapt
