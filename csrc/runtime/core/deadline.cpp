#include "runtime/core/deadline.h"

#include <algorithm>
#include <cmath>

namespace mapt {

static_assert(kHeads == 2 && static_cast<int>(Head::kAppearance) == 0, "appearance is given up first, then motion");

uint32_t Estimates::left_out(const Calls& calls, double left_ms) const {
  if (std::isnan(left_ms)) return 0;
  uint32_t out = 0;
  for (int head = 0; head < kHeads; ++head) {
    double kept = 0;
    for (int other = head; other < kHeads; ++other) kept += calls.of[other] * heads_[other].known();
    if (reserve_ * (rest_.known() + kept) <= left_ms) break;
    if (calls.of[head]) out |= bit(static_cast<Head>(head));
  }
  return out;
}

void Estimates::learn_from(const Timings& timings, const Calls& calls, uint32_t degraded) {
  const double ms[kHeads] = {timings[Timed::kAppearance], timings[Timed::kMotion]};
  for (int head = 0; head < kHeads; ++head) {
    if (calls.of[head]) heads_[head].learn(ms[head] / calls.of[head]);
    if (degraded & bit(static_cast<Head>(head))) heads_[head].forget();
  }
  rest_.learn(timings[Timed::kAssociation] + timings[Timed::kOutput]);
}

// The first measurement after the head was left out replaces the estimate.
void Estimates::Estimate::learn(double measured) {
  const double old = lowered || std::isnan(ms) ? measured : ms;
  lowered = false;
  ms = old + (measured > old ? kRise : kFall) * (std::min(measured, kOutlier * old) - old);
}

void Estimates::Estimate::forget() {
  if (std::isnan(ms)) return;
  ms *= kForget;
  lowered = true;
}

}  // namespace mapt
