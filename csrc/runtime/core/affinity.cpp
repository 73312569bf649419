#include "runtime/core/affinity.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/clones.h"
#include "runtime/core/contract.h"
#include "runtime/core/summation.h"

namespace mapt {
namespace {

MAPT_CLONES float sum_cells(const float* values, int64_t count) { return sum_of_block(values, count); }
MAPT_CLONES double sum_minima(const double* values, int64_t count) { return sum_of_block(values, count); }

MAPT_CLONES bool any_above(const float* values, int32_t count) {
  int32_t above = 0;
  for (int32_t i = 0; i < count; ++i) above |= values[i] > kTail;
  return above;
}

MAPT_CLONES void minima_of(const float* mask, const float* other, int32_t count, double* minima) {
  for (int32_t i = 0; i < count; ++i) minima[i] = static_cast<double>(mask[i] < other[i] ? mask[i] : other[i]);
}

}  // namespace

CoarseMask measure_mask(const float* cells, int32_t height, int32_t width) {
  Window window = {0, width, 0, 0};
  bool empty = true;
  for (int32_t y = 0; y < height; ++y) {
    const float* row = cells + int64_t{y} * width;
    if (!any_above(row, width)) continue;
    if (empty) window.y1 = y;
    empty = false;
    window.y2 = y + 1;
    int32_t x = 0;
    while (x < window.x1 && !(row[x] > kTail)) ++x;
    window.x1 = x;
    x = width;
    while (x > window.x2 && !(row[x - 1] > kTail)) --x;
    window.x2 = x;
  }
  if (empty) window = Window();
  return {cells, window, static_cast<double>(pairwise_sum(cells, int64_t{height} * width, sum_cells))};
}

SoftIou::SoftIou(int32_t height, int32_t width) : width_(width), minima_(int64_t{height} * width) {}

CoarseMask SoftIou::known(const float* cells, const Window& window) {
  return {cells, window, window.empty() ? 0.0 : sum_of_minima(cells, cells, window)};
}

double SoftIou::overlap(const CoarseMask& mask, const CoarseMask& other, const Window& both) {
  const double low = sum_of_minima(mask.cells, other.cells, both);
  const double all = mask.area + other.area - low;
  return all > 0 ? low / all : low;
}

// In NumPy's order, where `add.reduceat` starts with the first value and adds the sum of the rest.
double SoftIou::sum_of_minima(const float* mask, const float* other, const Window& window) {
  for (int32_t y = 0; y < window.height(); ++y) {
    const int64_t start = int64_t{window.y1 + y} * width_ + window.x1;
    minima_of(mask + start, other + start, window.width(), minima_.data() + int64_t{y} * window.width());
  }
  return minima_[0] + pairwise_sum(minima_.data() + 1, window.cells() - 1, sum_minima);
}

MAPT_CLONES void grain(const float* embedding, int32_t count, double* grained) {
  for (int32_t i = 0; i < count; ++i) grained[i] = std::nearbyint(embedding[i] * (1 / kGrain)) * kGrain;
}

MAPT_CLONES double cosine(const double* one, const double* other, int32_t count) {
  double sums[16] = {};
  int32_t at = 0;
  for (; at + 16 <= count; at += 16) {
    for (int lane = 0; lane < 16; ++lane) sums[lane] += one[at + lane] * other[at + lane];
  }
  double sum = 0;
  for (double lane : sums) sum += lane;
  for (; at < count; ++at) sum += one[at] * other[at];
  return sum;
}

}  // namespace mapt
