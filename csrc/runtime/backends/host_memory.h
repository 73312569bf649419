// The host's memory in place of a device's.
#pragma once

#include "runtime/backends/device_memory.h"

namespace mapt {

class HostMemory final : public DeviceMemory {
 public:
  bool on_host() const noexcept override { return true; }
  void* allocate(std::size_t bytes) override;
  void* allocate_host(std::size_t bytes) override { return allocate(bytes); }
  void release(void* memory) noexcept override;
  void release_host(void* memory) noexcept override { release(memory); }
  Status upload(void* device, const void* host, std::size_t bytes) noexcept override;
  Status download(void* host, const void* device, std::size_t bytes) noexcept override;
  Status wait() noexcept override { return {}; }
  Status read(void* host, const void* device, std::size_t bytes) noexcept override;
  Status write(void* device, const void* host, std::size_t bytes) noexcept override;
};

}  // namespace mapt
