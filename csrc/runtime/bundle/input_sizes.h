// The input sizes of a bundle, and which of them suits a camera's frames; `runtime/bundle/input_sizes.py`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mapt {

struct Size {
  std::int64_t height = 0, width = 0;

  std::int64_t pixels() const { return height * width; }
  bool operator==(const Size& other) const { return height == other.height && width == other.width; }
};

std::string written(const Size& size);  // HxW

// Input pixels per pixel of a frame along a side, where its aspect is kept.
double scale_in(const Size& frame, const Size& size);

// The sizes that are worth their time for a frame, the best first. Each further one costs less than the one before.
std::vector<Size> rank_sizes(const Size& frame, std::vector<Size> sizes);

}  // namespace mapt
