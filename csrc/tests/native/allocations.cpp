#include "tests/native/allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace {

std::atomic<long> count{0};

}  // namespace

namespace scripted {

long allocations() { return count; }

}  // namespace scripted

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t size) {
  ++count;
  return __libc_malloc(size);
}

void* calloc(size_t items, size_t size) {
  ++count;
  return __libc_calloc(items, size);
}

void* realloc(void* old, size_t size) {
  ++count;
  return __libc_realloc(old, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  ++count;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** out, size_t alignment, size_t size) {
  ++count;
  *out = __libc_memalign(alignment, size);
  return *out ? 0 : ENOMEM;
}

}  // extern "C"
#endif
