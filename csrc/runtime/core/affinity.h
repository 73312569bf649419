// Association scores; `runtime/association/affinity.py`.
#pragma once

#include <vector>

#include "runtime/core/window.h"

namespace mapt {

// A coarse mask, the window that holds all of it above kTail, and the sum of all its cells.
struct CoarseMask {
  const float* cells = nullptr;
  Window window;
  double area = 0;
};

// Looks for a mask's window, and sums its cells in float32.
CoarseMask measure_mask(const float* cells, int32_t height, int32_t width);

// A mask whose window is known, outside of which it is zero. Its area is what lies in the window.
class SoftIou {
 public:
  SoftIou(int32_t height, int32_t width);

  CoarseMask known(const float* cells, const Window& window);

  // The soft IoU of two masks, sum min / sum max; 0 where both are empty or their windows do not meet. Of most pairs of
  // a frame they do not.
  double operator()(const CoarseMask& mask, const CoarseMask& other) {
    const Window both = meet(mask.window, other.window);
    return both.empty() ? 0 : overlap(mask, other, both);
  }

 private:
  double overlap(const CoarseMask& mask, const CoarseMask& other, const Window& both);
  double sum_of_minima(const float* mask, const float* other, const Window& window);

  int32_t width_;
  std::vector<double> minima_;
};

// Rounds the `count` entries of an embedding to multiples of kGrain, so that sums of products are exact.
void grain(const float* embedding, int32_t count, double* grained);

// The cosine similarity of two grained unit embeddings (Eq. 6).
double cosine(const double* one, const double* other, int32_t count);

}  // namespace mapt
