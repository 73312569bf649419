#include "runtime/bundle/input_sizes.h"

#include <algorithm>

namespace mapt {

namespace {

// Sizes that show a frame nearly as large are equally good; then the one with fewer pixels is taken.
constexpr double kNearly = 0.9;
constexpr double kUnchanged = 1.05;  // up to this scale, preprocessing does not enlarge a frame

}  // namespace

std::string written(const Size& size) { return std::to_string(size.height) + "x" + std::to_string(size.width); }

double scale_in(const Size& frame, const Size& size) {
  const double scale = std::min(static_cast<double>(size.height) / static_cast<double>(frame.height),
                                static_cast<double>(size.width) / static_cast<double>(frame.width));
  return 1 <= scale && scale < kUnchanged ? 1.0 : scale;
}

std::vector<Size> rank_sizes(const Size& frame, std::vector<Size> left) {
  std::vector<Size> ranked;
  while (!left.empty()) {
    double largest = 0;
    for (const Size& size : left) largest = std::max(largest, scale_in(frame, size));
    const Size* best = nullptr;
    for (const Size& size : left)
      if (scale_in(frame, size) >= kNearly * largest && (!best || size.pixels() < best->pixels())) best = &size;
    ranked.push_back(*best);
    const std::int64_t most = ranked.back().pixels();
    left.erase(std::remove_if(left.begin(), left.end(), [&](const Size& size) { return size.pixels() >= most; }),
               left.end());
  }
  return ranked;
}

}  // namespace mapt
