// A border of zeros around a map, by which samples need no test.
#pragma once

#include "common/portable.h"

MAPT_BEGIN

// A (height, width) map with one zero row above, one zero column on either side and two zero rows below. A sample
// outside the map reads `outside()`, whose four cells are zero.
struct Border {
  int64_t height, width;

  MAPT_INLINE int64_t pitch() const { return width + 2; }
  MAPT_INLINE int64_t rows() const { return height + 3; }
  MAPT_INLINE int64_t cells() const { return rows() * pitch(); }
  MAPT_INLINE int64_t outside() const { return (height + 1) * (width + 2); }
};

MAPT_END
