// Bilinear samples along an axis; `runtime/perception/fusion.py: _taps`.
#pragma once

#include <cstdint>
#include <vector>

namespace mapt {

// The places of samples along an axis: cell `second` has the weight `weight`, cell `first` has `rest` = 1 - weight.
struct Taps {
  std::vector<int32_t> first, second;
  std::vector<float> weight, rest;

  explicit Taps(int32_t most) : first(most), second(most), weight(most), rest(most) {}
};

// Pixels [begin, end) along an axis.
struct Span {
  int32_t begin, end;

  int32_t size() const { return end - begin; }
};

// The samples of pixels in a box's mask of `size` cells, which reaches from `low` to `high`.
void tap_box(Span pixels, float low, float high, int32_t size, Taps* taps);

// The samples of pixels in a plane of `size` cells of kStride pixels each.
void tap_plane(Span pixels, int32_t size, Taps* taps);

// Row `y` of the samples of a plane (n,width), not yet sampled along its columns. Only the cells that `columns` reads
// are written.
void mix_rows(const float* plane, int32_t width, const Taps& rows, int32_t y, Span columns, float* out);

// The cells that `count` samples along an axis read.
Span cells_of(const Taps& taps, int32_t count);

}  // namespace mapt
