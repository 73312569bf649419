// The parameters of the kernel that brings label maps to the image's size. common/params.h has the rules for all
// parameters.
#pragma once

#include "common/params.h"

namespace mapt {

struct RenderLabels {
  const uint8_t* semantic;  // (.., in_width): classes at the network's resolution
  const int32_t* instance;  // (.., in_width): track ids
  const int32_t* rows;      // (height): the row that each row of the image reads
  const int32_t* columns;   // (width)
  uint8_t* out_semantic;    // (height, width)
  int32_t* out_instance;    // (height, width)
  int64_t in_width, height, width;
};

}  // namespace mapt
