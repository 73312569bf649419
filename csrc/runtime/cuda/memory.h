// Memory of the first GPU, page-locked memory of the host, and two streams; `runtime/backends/cuda.py`.
#pragma once

#include "runtime/backends/device_memory.h"
#include "runtime/cuda/driver.h"

namespace mapt {

// Makes the GPU's context the calling thread's for a block. It is the context that CUDA's runtime library uses, too.
class CudaScope {
 public:
  CudaScope(const CudaDriver& driver, CuContext context) noexcept
      : driver_(driver), result_(driver.push_context(context)) {}
  ~CudaScope() {
    CuContext context = nullptr;
    if (result_ == 0) driver_.pop_context(&context);
  }
  CudaScope(const CudaScope&) = delete;
  CudaScope& operator=(const CudaScope&) = delete;

  CuResult result() const noexcept { return result_; }

 private:
  const CudaDriver& driver_;
  CuResult result_;
};

class CudaMemory final : public DeviceMemory {
 public:
  // Throws DeviceError: there is no GPU, or CUDA reports an error.
  CudaMemory();
  ~CudaMemory() override;
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;

  bool on_host() const noexcept override { return false; }
  void* stream() const noexcept override { return stream_; }
  void* allocate(std::size_t bytes) override;
  void* allocate_host(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void release_host(void* memory) noexcept override;
  Status upload(void* device, const void* host, std::size_t bytes) noexcept override;
  Status download(void* host, const void* device, std::size_t bytes) noexcept override;
  Status wait() noexcept override;
  Status read(void* host, const void* device, std::size_t bytes) noexcept override;
  Status write(void* device, const void* host, std::size_t bytes) noexcept override;

  const CudaDriver& driver() const noexcept { return driver_; }
  CuContext context() const noexcept { return context_; }
  // What a function of the driver came to.
  Status told(const char* what, CuResult result, const char* end = "; frame dropped") const noexcept;

 private:
  void check(const char* what, CuResult result) const;

  const CudaDriver& driver_;
  CuContext context_ = nullptr;
  CuStream stream_ = nullptr;  // of all work of a frame
  CuStream aside_ = nullptr;   // of copies that wait for no frame
};

}  // namespace mapt
