#include "runtime/core/sampling.h"

#include <algorithm>

#include "runtime/core/clones.h"
#include "runtime/core/contract.h"

namespace mapt {
namespace {

void place(float position, int32_t size, int32_t at, Taps* taps) {
  position = std::min(std::max(position, 0.0f), static_cast<float>(size - 1));
  int32_t first = static_cast<int32_t>(position);
  if (size > 1) first = std::min(first, size - 2);
  taps->first[at] = first;
  taps->second[at] = std::min(first + 1, size - 1);
  taps->weight[at] = position - static_cast<float>(first);
  taps->rest[at] = 1.0f - taps->weight[at];
}

}  // namespace

void tap_box(Span pixels, float low, float high, int32_t size, Taps* taps) {
  const float extent = std::max(high - low, 1e-3f);
  for (int32_t at = 0; at < pixels.size(); ++at) {
    const float centre = static_cast<float>(pixels.begin + at) + 0.5f;
    const float share = (centre - low) / extent;
    place(share * static_cast<float>(size) - 0.5f, size, at, taps);
  }
}

void tap_plane(Span pixels, int32_t size, Taps* taps) {
  for (int32_t at = 0; at < pixels.size(); ++at) {
    const float centre = static_cast<float>(pixels.begin + at) + 0.5f;
    place(centre / static_cast<float>(kStride) - 0.5f, size, at, taps);
  }
}

MAPT_CLONES void mix_rows(const float* plane, int32_t width, const Taps& rows, int32_t y, Span columns, float* out) {
  const float* upper = plane + int64_t{rows.first[y]} * width;
  const float* lower = plane + int64_t{rows.second[y]} * width;
  const float rest = rows.rest[y];
  const float weight = rows.weight[y];
  for (int32_t x = columns.begin; x < columns.end; ++x) out[x] = upper[x] * rest + lower[x] * weight;
}

Span cells_of(const Taps& taps, int32_t count) { return {taps.first[0], taps.second[count - 1] + 1}; }

}  // namespace mapt
