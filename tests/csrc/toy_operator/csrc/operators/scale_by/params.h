// A tensor times a number: the parameters of its kernels. common/params.h says what holds for all parameters.
#pragma once

#include "common/params.h"

namespace mapt {

template <class T, class C = T>
struct ScaleBy {
  const T* x;  // (count)
  T* out;      // (count)
  int64_t count;
  C factor;
};

}  // namespace mapt
