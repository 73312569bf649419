// Checks what a caller gives to a step; `runtime/perception/preprocess.py: check_image`,
// `runtime/monitoring/timestamps.py` and `runtime/monitoring/deadline.py: check_deadline`.
#pragma once

#include "runtime/core/network.h"

namespace mapt {

// The time of the last accepted frame, if there was one.
struct Accepted {
  bool known = false;
  int64_t stamp_ns = 0;
};

Status check_image(const Image& image);
Status check_stamp(int64_t stamp_ns, const Accepted& last, double max_jump);
Status check_deadline(double deadline_ms);  // kNone is no deadline

}  // namespace mapt
