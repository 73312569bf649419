// The sampling points of the four motion fields' taps, and the part of a mask that is not zero.
#pragma once

#include "common/sample.h"
#include "operators/propagate/params.h"

MAPT_BEGIN

constexpr int64_t kAllTaps = kFields * kFieldTaps;

// The sampling point of a motion field's tap at output pixel (0, 0) with offset zero.
MAPT_INLINE int64_t tap_shift_y(int64_t field, int64_t tap) { return (tap / 3 - 1) * dilation_of(field); }
MAPT_INLINE int64_t tap_shift_x(int64_t field, int64_t tap) { return (tap % 3 - 1) * dilation_of(field); }

// The extent of a mask's nonzero cells, ends included. An empty mask has y1 < y0.
struct Extent {
  int64_t y0, x0, y1, x1;

  // Tells whether a sample with the upper left cell (y, x) reads any of these cells.
  MAPT_INLINE bool holds(int64_t y, int64_t x) const { return y >= y0 - 1 && y <= y1 && x >= x0 - 1 && x <= x1; }
};

MAPT_END
