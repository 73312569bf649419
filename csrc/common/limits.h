// Limits of a caller's numbers, within which no size computed from them overflows. Graphs and engines are not trusted,
// so their attributes and shapes are checked against these limits before a kernel sees them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <new>

// Never a function of its own, for the reason that portable.h gives.
#define MAPT_HOST inline __attribute__((always_inline))

namespace mapt {

constexpr int64_t kMaxElements = int64_t{1} << 44;  // of a tensor, as if no axis were empty
constexpr int64_t kMaxPixels = int64_t{1} << 31;    // of a map, of a field's samples and of rows that int32 counts
constexpr int32_t kMaxStep = 1 << 15;               // stride, padding, dilation; input pixels of a level's cell
constexpr int32_t kMaxBins = 256;                   // along a side of a pooled box
constexpr int32_t kMaxSamples = 64;                 // along a side of a bin

// Writes a * b * ... into `result`. Returns false if it overflows or a factor is negative.
MAPT_HOST bool checked_multiply(std::initializer_list<int64_t> factors, int64_t& result) {
  result = 1;
  bool fits = true;
  for (const int64_t factor : factors) fits = fits && factor >= 0 && !__builtin_mul_overflow(result, factor, &result);
  return fits;
}

// Returns a * b * ..., for a size of memory. Throws std::bad_alloc if it overflows.
MAPT_HOST int64_t checked_product(std::initializer_list<int64_t> factors) {
  int64_t result = 0;
  if (!checked_multiply(factors, result)) throw std::bad_alloc();
  return result;
}

// Tells whether kernels accept a tensor of these sides. An empty axis does not raise the limit of the others.
template <class Sides>
MAPT_HOST bool is_small_tensor(const Sides& sides) {
  int64_t elements = 1;
  for (const int64_t side : sides) {
    if (side < 0 || !checked_multiply({elements, side > 0 ? side : 1}, elements) || elements > kMaxElements)
      return false;
  }
  return true;
}

// Tells whether int32 can count the pixels of a map with a border of two cells.
MAPT_HOST bool is_small_map(int64_t height, int64_t width) {
  return height < kMaxPixels && width < kMaxPixels && (height + 4) * (width + 4) < kMaxPixels;
}

// Tells whether int32 can count the samples of an offset field, which has `taps` at every pixel of a map.
MAPT_HOST bool is_small_field(int64_t taps, int64_t height, int64_t width) {
  int64_t samples = 0;
  return checked_multiply({taps, height, width}, samples) && samples < kMaxPixels;
}

// Returns the side of a convolution's output, or 0 if the kernel is larger than the padded side. The numbers must be
// within limits.
MAPT_HOST int64_t convolved_side(int64_t side, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  const int64_t room = side + 2 * padding - dilation * (kernel - 1);
  return room < 1 ? 0 : (room - 1) / stride + 1;
}

}  // namespace mapt
