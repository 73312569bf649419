// Tensors of the contract in buffers that are laid out once.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/backends/ort_library.h"
#include "runtime/core/model_info.h"

namespace mapt {

using Shape = std::vector<std::int64_t>;

Shape resolve(const TensorSpec& spec, const Sizes& sizes);
std::int64_t size_of(const Shape& shape);
std::size_t bytes_of(const TensorSpec& spec, const Shape& shape);
ONNXTensorElementDataType element_type(const TensorSpec& spec);

// One tensor with its buffer. On the host the memory is this object's, on a device an allocator's.
class Tensor {
 public:
  Tensor() = default;
  // On the host, with zeros in it.
  Tensor(const OrtLibrary& library, const TensorSpec& spec, const Shape& shape);
  // On the device of an allocator, which has to live longer.
  Tensor(const OrtLibrary& library, OrtAllocator* allocator, const TensorSpec& spec, const Shape& shape);
  Tensor(Tensor&& other) noexcept { swap(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Tensor();

  OrtValue* value() const { return value_; }
  bool on_host() const { return host_ != nullptr; }
  std::int64_t size() const { return size_; }
  template <class T>
  T* data() const {
    return static_cast<T*>(host_);
  }
  void* bytes() const { return host_; }
  std::size_t byte_count() const { return bytes_; }

 private:
  void swap(Tensor& other) noexcept;

  const OrtLibrary* library_ = nullptr;
  OrtValue* value_ = nullptr;
  void* host_ = nullptr;
  std::int64_t size_ = 0;
  std::size_t bytes_ = 0;
};

// Whether all values are finite.
bool is_finite(const float* values, std::int64_t count);

}  // namespace mapt
