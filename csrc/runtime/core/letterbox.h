// The position of an image in the network's input; `runtime/perception/preprocess.py: Letterbox`, `fit`.
#pragma once

#include <cstdint>

namespace mapt {

struct Letterbox {
  int32_t height = 0;  // of the image, pixels
  int32_t width = 0;
  int32_t inner_height = 0;  // of the part of the input that it fills, from the top left corner
  int32_t inner_width = 0;

  // Image pixels per input pixel.
  double scale_x() const { return static_cast<double>(width) / inner_width; }
  double scale_y() const { return static_cast<double>(height) / inner_height; }
};

// The largest placement of an image that keeps its aspect. An image that fits within 5 % is not resampled at all.
Letterbox fit(int32_t height, int32_t width, int32_t input_height, int32_t input_width);

}  // namespace mapt
