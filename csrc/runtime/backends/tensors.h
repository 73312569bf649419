// Tensors of the contract in buffers that are laid out once.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/backends/device_memory.h"
#include "runtime/core/model_info.h"

namespace mapt {

using Shape = std::vector<std::int64_t>;

enum class Element { kFloat, kInt32, kUint8 };

Shape resolve(const TensorSpec& spec, const Sizes& sizes);
std::int64_t size_of(const Shape& shape);
Element element_of(const TensorSpec& spec);
std::size_t bytes_of(const TensorSpec& spec, const Shape& shape);

// One tensor where a network computes, with the memory of the host that it is copied to or from, if any. Where the host
// computes both are the same.
class Tensor {
 public:
  Tensor() = default;
  // Filled with zeros. `staged`: the host writes or reads it. The memory has to live longer. Throws DeviceError.
  Tensor(DeviceMemory& memory, const TensorSpec& spec, const Sizes& sizes, bool staged);
  Tensor(Tensor&& other) noexcept { swap(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Tensor();

  void* address() const { return address_; }
  bool on_host() const { return host_ != nullptr; }
  std::int64_t size() const { return size_; }
  std::size_t byte_count() const { return bytes_; }
  // On the host; null where it stays on the device.
  template <class T>
  T* data() const {
    return static_cast<T*>(host_);
  }

  // Queue a copy of a tensor that is staged, or of a part of it.
  Status upload() const noexcept { return memory_->upload(address_, host_, bytes_); }
  Status download() const noexcept { return download(0, bytes_); }
  Status download(std::size_t first, std::size_t bytes) const noexcept;

 private:
  void swap(Tensor& other) noexcept;

  DeviceMemory* memory_ = nullptr;
  void* address_ = nullptr;
  void* host_ = nullptr;
  std::int64_t size_ = 0;
  std::size_t bytes_ = 0;
};

// Whether all values are finite.
bool is_finite(const float* values, std::int64_t count);

}  // namespace mapt
