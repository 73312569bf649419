#include "runtime/backends/resize.h"

#include <algorithm>
#include <cmath>

namespace mapt {

namespace {

constexpr int kChannels = 3;
constexpr int kOne = 256;  // 1 in 256ths

// One channel after the other of a row, each from two pixels.
void resize_row(const std::uint8_t* __restrict source, const ResizeTable& table, int from, int to,
                std::uint16_t* __restrict out) {
  for (int x = 0; x < table.begin; ++x)
    for (int c = 0; c < kChannels; ++c) out[kChannels * x + c] = static_cast<std::uint16_t>(source[c] * kOne);
  for (int x = table.begin; x < table.end; ++x) {
    const std::uint8_t* left = source + kChannels * table.first[x];
    const unsigned a = table.weights[2 * x], b = table.weights[2 * x + 1];
    for (int c = 0; c < kChannels; ++c)
      out[kChannels * x + c] = static_cast<std::uint16_t>(left[c] * a + left[c + kChannels] * b);  // at most 255 * 256
  }
  const std::uint8_t* last = source + kChannels * (from - 1);
  for (int x = table.end; x < to; ++x)
    for (int c = 0; c < kChannels; ++c) out[kChannels * x + c] = static_cast<std::uint16_t>(last[c] * kOne);
}

void copy_row(const std::uint16_t* row, int count, std::uint8_t* out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>((row[i] + 128u) >> 8);
}

void blend_rows(const std::uint16_t* above, const std::uint16_t* below, unsigned a, unsigned b, int count,
                std::uint8_t* out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>((above[i] * a + below[i] * b + 32768u) >> 16);
}

}  // namespace

ResizeTable resize_table(int from, int to) {
  ResizeTable table;
  table.first.resize(static_cast<std::size_t>(to));
  table.weights.resize(2 * static_cast<std::size_t>(to));
  table.end = to;
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  for (int i = 0; i < to; ++i) {
    const double place = scale * (i + 0.5) - 0.5;
    const int first = static_cast<int>(std::floor(place));
    if (first < 0 || from <= 1) {
      table.begin = std::max(table.begin, i + 1);
      continue;
    }
    if (first >= from - 1) {
      table.end = std::min(table.end, i);
      continue;
    }
    const auto weight = static_cast<std::uint16_t>(std::nearbyint((place - first) * kOne));
    table.first[i] = first;
    table.weights[2 * i] = static_cast<std::uint16_t>(kOne - weight);
    table.weights[2 * i + 1] = weight;
  }
  table.begin = std::min(table.begin, table.end);
  return table;
}

void LinearResize::prepare(int height, int width, int target_height, int target_width) {
  const bool same =
      height == height_ && width == width_ && target_height == target_height_ && target_width == target_width_;
  held_[0] = held_[1] = -1;
  if (same) return;
  across_ = resize_table(width, target_width);
  down_ = resize_table(height, target_height);
  for (auto& row : rows_) row.resize(static_cast<std::size_t>(kChannels) * target_width);
  height_ = height;
  width_ = width;
  target_height_ = target_height;
  target_width_ = target_width;
}

const std::uint16_t* LinearResize::row(const std::uint8_t* source, std::int64_t stride, int y, int slot) {
  if (held_[slot] != y) {
    resize_row(source + stride * y, across_, width_, target_width_, rows_[slot].data());
    held_[slot] = y;
  }
  return rows_[slot].data();
}

void LinearResize::run(const std::uint8_t* source, int height, int width, std::int64_t stride, std::uint8_t* target,
                       int target_height, int target_width, std::int64_t target_stride) {
  prepare(height, width, target_height, target_width);
  const int count = kChannels * target_width;
  for (int y = 0; y < target_height; ++y) {
    std::uint8_t* out = target + target_stride * y;
    if (y < down_.begin || y >= down_.end) {
      const int border = y < down_.begin ? 0 : height - 1;
      copy_row(row(source, stride, border, border & 1), count, out);
      continue;
    }
    const int first = down_.first[y];
    const std::uint16_t* above = row(source, stride, first, first & 1);
    const std::uint16_t* below = row(source, stride, first + 1, (first + 1) & 1);
    blend_rows(above, below, down_.weights[2 * y], down_.weights[2 * y + 1], count, out);
  }
}

}  // namespace mapt
