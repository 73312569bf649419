// The threads that kernels run on.
#pragma once

#include <cstdint>

namespace mapt {

// The caller's threads: runs body(context, begin, end) so that the ranges cover [0, tasks) once. How they are cut does
// not change a bit of any result.
struct Parallel {
  using Body = void (*)(void* context, int64_t begin, int64_t end);
  void (*run)(void* pool, int64_t tasks, Body body, void* context);
  void* pool;
};

}  // namespace mapt
