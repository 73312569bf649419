// Exports CUDA kernels, run as loops, to ctypes in tests. A kernel's workspace has exactly the size that it asks for,
// and is filled with NaN.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>

#include "cuda/kernels.h"

namespace shim {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

inline std::unique_ptr<void, Free> workspace(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = std::aligned_alloc(256, bytes);
  std::memset(memory, 0xff, bytes);
  return std::unique_ptr<void, Free>(memory);
}

}  // namespace shim

#define MAPT_EXPORT_TO_TESTS(symbol, ...)                                                     \
  extern "C" const char* symbol(const __VA_ARGS__& params) {                                  \
    return run_on_cuda(params, shim::workspace(cuda_workspace_bytes(params)).get(), nullptr); \
  }
