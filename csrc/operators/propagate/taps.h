// Where the taps of the four motion fields sample, and the part of a mask that they can read.
#pragma once

#include "common/sample.h"
#include "operators/propagate/params.h"

MAPT_BEGIN

constexpr int64_t kAllTaps = kFields * kFieldTaps;

// Where the tap of a motion field samples for output pixel (0, 0) and offset zero.
MAPT_INLINE int64_t tap_shift_y(int64_t field, int64_t tap) { return (tap / 3 - 1) * dilation_of(field); }
MAPT_INLINE int64_t tap_shift_x(int64_t field, int64_t tap) { return (tap % 3 - 1) * dilation_of(field); }

// The part of a mask that holds anything, ends included; y1 < y0: nothing.
struct Extent {
  int64_t y0, x0, y1, x1;

  // Does a sample whose upper left cell is (y, x) read any of it?
  MAPT_INLINE bool holds(int64_t y, int64_t x) const { return y >= y0 - 1 && y <= y1 && x >= x0 - 1 && x <= x1; }
};

MAPT_END
