// Greedy suppression: the parameters of its kernels. common/params.h says what holds for all parameters.
#pragma once

#include "common/params.h"

namespace mapt {

// Boxes are numbered in falling order of score. Box i, if it is kept, drops every box j > i for which
// suppresses[i][j] is above 0.5. NaN drops none, and what lies on or below the diagonal is not read.
template <class T, class C = T>
struct GreedyKeep {
  const T* suppresses;  // (count, count)
  T* keep;              // (count), 1 for a box that is kept, and 0 for one that is dropped
  int64_t count;
};

}  // namespace mapt
