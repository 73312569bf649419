// Where a network computes, and the way there and back; `runtime/backends/device/memory.py`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/core/status.h"

namespace mapt {

// What a device reports, as one line.
struct DeviceError {
  std::string text;
};

// What was copied between host and device, in bytes, and how often the host waited for it in a frame.
struct CopyCounts {
  std::int64_t up = 0, down = 0, waits = 0;
};

// Memory of a device with a stream, on which one thread at a time queues work.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  // Whether the host itself computes there, so that nothing has to be copied.
  virtual bool on_host() const noexcept = 0;
  virtual void* stream() const noexcept { return nullptr; }

  // Memory of the device, filled with zeros, and memory of the host that takes part in copies. Both throw DeviceError
  // where there is too little.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void* allocate_host(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void release_host(void* memory) noexcept = 0;

  // Queue a copy between the two kinds of memory, and wait for all that is queued.
  virtual Status upload(void* device, const void* host, std::size_t bytes) noexcept = 0;
  virtual Status download(void* host, const void* device, std::size_t bytes) noexcept = 0;
  virtual Status wait() noexcept = 0;

  // Copy at once, from or to any memory of the host, what no queued work changes. Any thread may read.
  virtual Status read(void* host, const void* device, std::size_t bytes) noexcept = 0;
  virtual Status write(void* device, const void* host, std::size_t bytes) noexcept = 0;

  // Of frames; `begin_counting` forgets what came before.
  const CopyCounts& traffic() const noexcept { return traffic_; }
  void begin_counting() noexcept { traffic_ = {}; }

 protected:
  CopyCounts traffic_;
};

}  // namespace mapt
