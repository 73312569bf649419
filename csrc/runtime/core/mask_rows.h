// Coarse masks (n,H/8,W/8) in memory that is used again; of a row only what was written last is cleared.
#pragma once

#include <algorithm>
#include <vector>

#include "runtime/core/window.h"

namespace mapt {

class MaskRows {
 public:
  MaskRows(int32_t height, int32_t width) : height_(height), width_(width) {}

  // Makes room for `count` rows, which then are zero where they are new.
  void reserve(int32_t count) {
    if (static_cast<size_t>(count) <= written_.size()) return;
    values_.resize(count * cells());
    written_.resize(count);
  }

  int64_t cells() const { return int64_t{height_} * width_; }
  int32_t height() const { return height_; }
  int32_t width() const { return width_; }
  const float* row(int32_t number) const { return values_.data() + number * cells(); }

  // A row of zeros, in which the caller writes inside of a window only.
  float* fresh(int32_t number, const Window& window) {
    float* row = values_.data() + number * cells();
    const Window& old = written_[number];
    for (int32_t y = old.y1; y < old.y2; ++y) {
      std::fill(row + int64_t{y} * width_ + old.x1, row + int64_t{y} * width_ + old.x2, 0.0f);
    }
    written_[number] = window;
    return row;
  }

  // A row that the caller fills completely.
  float* whole(int32_t number) { return fresh(number, {0, 0, height_, width_}); }

 private:
  int32_t height_, width_;
  std::vector<float> values_;
  std::vector<Window> written_;
};

}  // namespace mapt
