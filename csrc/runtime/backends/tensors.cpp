#include "runtime/backends/tensors.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace mapt {

namespace {

constexpr std::size_t kAlignment = 64;  // bytes, a cache line and the widest vector

}  // namespace

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

std::size_t bytes_of(const TensorSpec& spec, const Shape& shape) {
  return static_cast<std::size_t>(size_of(shape)) * (std::strcmp(spec.dtype, "uint8") == 0 ? 1 : 4);
}

ONNXTensorElementDataType element_type(const TensorSpec& spec) {
  if (std::strcmp(spec.dtype, "uint8") == 0) return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
  if (std::strcmp(spec.dtype, "int32") == 0) return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

Tensor::Tensor(const OrtLibrary& library, const TensorSpec& spec, const Shape& shape)
    : library_(&library), size_(size_of(shape)), bytes_(bytes_of(spec, shape)) {
  const std::size_t room = (std::max(bytes_, std::size_t{1}) + kAlignment - 1) / kAlignment * kAlignment;
  host_ = std::aligned_alloc(kAlignment, room);
  if (!host_) throw std::bad_alloc();
  std::memset(host_, 0, room);
  const OrtApi& api = library.api();
  OrtMemoryInfo* place = nullptr;
  library.check(api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &place));
  std::string said;
  const bool made = library.well(
      api.CreateTensorWithDataAsOrtValue(place, host_, bytes_, shape.data(), shape.size(), element_type(spec), &value_),
      &said);
  api.ReleaseMemoryInfo(place);
  if (!made) {
    std::free(host_);
    throw OrtError{said};
  }
}

Tensor::Tensor(const OrtLibrary& library, OrtAllocator* allocator, const TensorSpec& spec, const Shape& shape)
    : library_(&library), size_(size_of(shape)), bytes_(bytes_of(spec, shape)) {
  library.check(
      library.api().CreateTensorAsOrtValue(allocator, shape.data(), shape.size(), element_type(spec), &value_));
}

Tensor::~Tensor() {
  if (value_) library_->api().ReleaseValue(value_);
  std::free(host_);
}

void Tensor::swap(Tensor& other) noexcept {
  std::swap(library_, other.library_);
  std::swap(value_, other.value_);
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
