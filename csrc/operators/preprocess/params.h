// The parameters of the kernel that turns a camera's image into the network's input. common/params.h has the rules for
// all parameters; here values are bytes, and the image may have any strides.
#pragma once

#include "common/params.h"

namespace mapt {

// Two planes as video decoders give them: brightness, and one pair of (Cb, Cr) for 2x2 pixels.
constexpr int64_t kNv12 = 1;

// How brightness and colour of the limited range become RGB, in units of 2^-20.
struct YuvToRgb {
  int64_t y, u_to_b, u_to_g, v_to_g, v_to_r;
};

struct Preprocess {
  const uint8_t* pixels;  // (height, width, 3), or NV12's brightness (height, width)
  const uint8_t* chroma;  // NV12's colour (height / 2, width / 2, 2); otherwise null
  uint8_t* out;           // (out_height, out_width, 3), RGB
  uint32_t* summary;      // (inner_height, 2): a row's least and largest byte (least + 256 * largest), and its hash
  int64_t height, width;
  int64_t row_stride, column_stride, channel_stride;  // of `pixels` in bytes; BGR has a negative channel_stride
  int64_t chroma_stride;                              // bytes from row to row of `chroma`
  int64_t layout;                                     // kNv12, or 0 for three channels
  int64_t inner_height, inner_width;                  // the part of `out` that the image fills; the rest is zero
  int64_t out_height, out_width;
  YuvToRgb yuv;
};

}  // namespace mapt
