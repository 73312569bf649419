// Checks images and outputs without relying on the network's own confidence; `runtime/monitoring/output_monitor.py`.
#pragma once

#include "runtime/core/frame.h"
#include "runtime/core/letterbox.h"
#include "runtime/core/model_info.h"

namespace mapt {

struct ImageSummary {
  bool blind = false;   // of one colour: black, white, or a covered lens
  uint32_t pixels = 0;  // CRC-32 of the input
};

// Summarises the part of the network's input (H,W,3) that the image fills.
ImageSummary look_at(const uint8_t* pixels, const Letterbox& letterbox, const ModelInfo& info);

// Births and visible objects of a frame that followed another.
struct Recent {
  int32_t births = 0;
  int32_t visible = 0;
};

// What makes an output suspicious.
struct Suspicions {
  bool frozen = false;     // its pixels are those of the frame before
  int64_t overflow = 0;    // objects that were left out
  bool one_class = false;  // everywhere
};

// The alarms of a labelled frame, one bit each.
uint32_t alarms(const Suspicions& suspicions, const Recent* recent, int count, const Thresholds& thresholds);

}  // namespace mapt
