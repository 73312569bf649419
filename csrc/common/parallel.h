// The threads that kernels run on.
#pragma once

#include <cstdint>

namespace mapt {

// The caller's threads. They run body(context, begin, end) for ranges that cover [0, tasks) once. The cut does not
// change any bit of a result.
struct Parallel {
  using Body = void (*)(void* context, int64_t begin, int64_t end);
  void (*run)(void* pool, int64_t tasks, Body body, void* context);
  void* pool;
};

}  // namespace mapt
