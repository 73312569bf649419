// The spatial gate: how far an object can have moved while it was not seen; `runtime/association/spatial_gate.py`.
#pragma once

#include "runtime/core/contract.h"

namespace mapt {

// How much of the gate a pair uses, as a share: a pair with a share above 1 is refused. Boxes are xyxy network pixels,
// `expected` is where the track should be now.
double reach_used(const float* expected, const float* box, const Thresholds& thresholds);

}  // namespace mapt
