#include "runtime/core/letterbox.h"

#include <algorithm>
#include <cmath>

namespace mapt {

Letterbox fit(int32_t height, int32_t width, int32_t input_height, int32_t input_width) {
  double scale = std::min(static_cast<double>(input_height) / height, static_cast<double>(input_width) / width);
  if (scale >= 1 && scale < 1.05) scale = 1;
  // Halves go to the even number, as Python's `round` sends them.
  const auto side = [scale](int32_t of_image, int32_t of_input) {
    return static_cast<int32_t>(std::max(1.0, std::min<double>(of_input, std::nearbyint(of_image * scale))));
  };
  return {height, width, side(height, input_height), side(width, input_width)};
}

}  // namespace mapt
