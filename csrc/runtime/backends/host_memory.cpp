#include "runtime/backends/host_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace mapt {

namespace {

constexpr std::size_t kAlignment = 64;  // bytes, a cache line and the widest vector

// A tensor that is the same on both sides needs no copy.
Status copy(void* to, const void* from, std::size_t bytes) noexcept {
  if (to != from) std::memcpy(to, from, bytes);
  return {};
}

}  // namespace

void* HostMemory::allocate(std::size_t bytes) {
  const std::size_t room = (std::max(bytes, std::size_t{1}) + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, room);
  if (!memory) throw DeviceError{"out of memory"};
  std::memset(memory, 0, room);
  return memory;
}

void HostMemory::release(void* memory) noexcept { std::free(memory); }

Status HostMemory::upload(void* device, const void* host, std::size_t bytes) noexcept {
  return copy(device, host, bytes);
}

Status HostMemory::download(void* host, const void* device, std::size_t bytes) noexcept {
  return copy(host, device, bytes);
}

Status HostMemory::read(void* host, const void* device, std::size_t bytes) noexcept {
  return copy(host, device, bytes);
}

Status HostMemory::write(void* device, const void* host, std::size_t bytes) noexcept {
  return copy(device, host, bytes);
}

}  // namespace mapt
