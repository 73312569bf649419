#include "runtime/backends/tensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mapt {

Shape resolve(const TensorSpec& spec, const Sizes& sizes) {
  Shape shape;
  for (int d = 0; d < spec.rank; ++d) {
    std::int64_t side = spec.shape[d].size;
    for (const SizeSymbol& known : kSymbols)
      if (known.symbol == spec.shape[d].symbol) side = sizes.*known.size / spec.shape[d].size;
    shape.push_back(side);
  }
  return shape;
}

std::int64_t size_of(const Shape& shape) {
  std::int64_t size = 1;
  for (const std::int64_t side : shape) size *= side;
  return size;
}

Element element_of(const TensorSpec& spec) {
  if (std::strcmp(spec.dtype, "uint8") == 0) return Element::kUint8;
  return std::strcmp(spec.dtype, "int32") == 0 ? Element::kInt32 : Element::kFloat;
}

std::size_t bytes_of(const TensorSpec& spec, const Shape& shape) {
  return static_cast<std::size_t>(size_of(shape)) * (element_of(spec) == Element::kUint8 ? 1 : 4);
}

Tensor::Tensor(DeviceMemory& memory, const TensorSpec& spec, const Sizes& sizes, bool staged) : memory_(&memory) {
  const Shape shape = resolve(spec, sizes);
  size_ = size_of(shape);
  bytes_ = bytes_of(spec, shape);
  address_ = memory.allocate(bytes_);
  if (memory.on_host()) {
    host_ = address_;
  } else if (staged) {
    try {
      host_ = memory.allocate_host(bytes_);
    } catch (...) {
      memory.release(address_);
      throw;
    }
  }
}

Tensor::~Tensor() {
  if (!memory_) return;
  if (host_ != address_) memory_->release_host(host_);
  memory_->release(address_);
}

Status Tensor::download(std::size_t first, std::size_t bytes) const noexcept {
  return memory_->download(static_cast<char*>(host_) + first, static_cast<const char*>(address_) + first, bytes);
}

void Tensor::swap(Tensor& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(address_, other.address_);
  std::swap(host_, other.host_);
  std::swap(size_, other.size_);
  std::swap(bytes_, other.bytes_);
}

bool is_finite(const float* values, std::int64_t count) {
  constexpr std::uint32_t kExponent = 0x7f800000;  // all bits of it are set in infinity and NaN alone
  constexpr std::int64_t kBlock = 4096;
  for (std::int64_t start = 0; start < count; start += kBlock) {
    const std::int64_t end = std::min(count, start + kBlock);
    std::uint32_t bad = 0;
    for (std::int64_t i = start; i < end; ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, values + i, sizeof bits);
      bad |= (bits & kExponent) == kExponent;
    }
    if (bad) return false;
  }
  return true;
}

}  // namespace mapt
