#include "runtime/cuda/memory.h"

#include <algorithm>

namespace mapt {

namespace {

CuAddress address_of(const void* memory) { return reinterpret_cast<CuAddress>(memory); }

}  // namespace

CudaMemory::CudaMemory() : driver_(cuda_driver()) {
  check("cuDevicePrimaryCtxRetain", driver_.retain_context(&context_, 0));
  try {
    const CudaScope scope(driver_, context_);
    check("cuCtxPushCurrent", scope.result());
    check("cuStreamCreate", driver_.create_stream(&stream_, kNonBlockingStream));
    check("cuStreamCreate", driver_.create_stream(&aside_, kNonBlockingStream));
  } catch (...) {
    const CudaScope scope(driver_, context_);
    if (stream_) driver_.destroy_stream(stream_);
    driver_.release_context(0);
    throw;
  }
}

// Nobody is left to be told of an error here. The process' last thread may end after the driver: it refuses then.
CudaMemory::~CudaMemory() {
  {
    const CudaScope scope(driver_, context_);
    driver_.wait_for_stream(stream_);
    driver_.destroy_stream(stream_);
    driver_.destroy_stream(aside_);
  }
  driver_.release_context(0);
}

void CudaMemory::check(const char* what, CuResult result) const {
  if (result != 0) throw DeviceError{std::string(what) + ": " + driver_.text_of(result)};
}

Status CudaMemory::told(const char* what, CuResult result, const char* end) const noexcept {
  if (result == 0) return {};
  const char* text = nullptr;
  driver_.error_string(result, &text);
  return Status::of(Code::kBackend, "%s: %.300s%s", what, text ? text : "unknown error", end);
}

void* CudaMemory::allocate(std::size_t bytes) {
  const CudaScope scope(driver_, context_);
  CuAddress address = 0;
  check("cuMemAlloc", driver_.allocate(&address, std::max<std::size_t>(bytes, 1)));
  const CuResult filled = driver_.fill(address, 0, bytes, stream_);
  if (filled != 0) driver_.release(address);
  check("cuMemsetD8Async", filled);
  return reinterpret_cast<void*>(address);
}

void* CudaMemory::allocate_host(std::size_t bytes) {
  const CudaScope scope(driver_, context_);
  void* memory = nullptr;
  check("cuMemHostAlloc", driver_.allocate_host(&memory, std::max<std::size_t>(bytes, 1), 0));
  std::fill_n(static_cast<char*>(memory), bytes, '\0');
  return memory;
}

// Queued work may still use it.
void CudaMemory::release(void* memory) noexcept {
  if (!memory) return;
  const CudaScope scope(driver_, context_);
  driver_.wait_for_stream(stream_);
  driver_.release(address_of(memory));
}

void CudaMemory::release_host(void* memory) noexcept {
  if (!memory) return;
  const CudaScope scope(driver_, context_);
  driver_.wait_for_stream(stream_);
  driver_.release_host(memory);
}

Status CudaMemory::upload(void* device, const void* host, std::size_t bytes) noexcept {
  const CudaScope scope(driver_, context_);
  traffic_.up += static_cast<std::int64_t>(bytes);
  return told("cuMemcpyHtoDAsync", driver_.upload(address_of(device), host, bytes, stream_));
}

Status CudaMemory::download(void* host, const void* device, std::size_t bytes) noexcept {
  const CudaScope scope(driver_, context_);
  traffic_.down += static_cast<std::int64_t>(bytes);
  return told("cuMemcpyDtoHAsync", driver_.download(host, address_of(device), bytes, stream_));
}

Status CudaMemory::wait() noexcept {
  const CudaScope scope(driver_, context_);
  ++traffic_.waits;
  return told("cuStreamSynchronize", driver_.wait_for_stream(stream_));
}

Status CudaMemory::read(void* host, const void* device, std::size_t bytes) noexcept {
  const CudaScope scope(driver_, context_);
  CuResult result = driver_.download(host, address_of(device), bytes, aside_);
  if (result == 0) result = driver_.wait_for_stream(aside_);
  return told("cuMemcpyDtoHAsync", result, "");
}

Status CudaMemory::write(void* device, const void* host, std::size_t bytes) noexcept {
  const CudaScope scope(driver_, context_);
  CuResult result = driver_.upload(address_of(device), host, bytes, stream_);
  if (result == 0) result = driver_.wait_for_stream(stream_);
  return told("cuMemcpyHtoDAsync", result, "");
}

}  // namespace mapt
