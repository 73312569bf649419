// Rectangles of pixels or cells, ends excluded.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mapt {

struct Window {
  int32_t y1 = 0, x1 = 0, y2 = 0, x2 = 0;

  int32_t height() const { return y2 - y1; }
  int32_t width() const { return x2 - x1; }
  int64_t cells() const { return int64_t{height()} * width(); }
  bool empty() const { return y1 >= y2 || x1 >= x2; }
};

// What two windows share; empty where they do not meet, or where one of them is.
inline Window meet(const Window& one, const Window& other) {
  return {std::max(one.y1, other.y1), std::max(one.x1, other.x1), std::min(one.y2, other.y2),
          std::min(one.x2, other.x2)};
}

}  // namespace mapt
