// The part of ONNX Runtime's C interface that MAPT's operators need: attributes, tensors, threads, a device's stream
// and memory, and exceptions that become a status. Tensors are contiguous float32 in the memory of the operator's
// provider.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "../../third_party/onnxruntime/onnxruntime_c_api.h"
#include "common/limits.h"
#include "common/parallel.h"

namespace mapt_ort {

constexpr uint32_t kApiVersion = 20;  // the oldest ONNX Runtime that is supported: 1.20

using Shape = std::vector<int64_t>;

// Set once, when the library is first registered.
inline const OrtApi* api = nullptr;

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::string text;
  const auto add = [&](const auto& part) {
    using Part = std::decay_t<decltype(part)>;
    if constexpr (std::is_same_v<Part, Shape>) {
      text += '(';
      for (size_t i = 0; i < part.size(); ++i) text += (i ? "," : "") + std::to_string(part[i]);
      text += ')';
    } else if constexpr (std::is_arithmetic_v<Part>) {
      text += std::to_string(part);
    } else {
      text += part;
    }
  };
  (add(parts), ...);
  throw std::invalid_argument(text);
}

inline void check(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string text = api->GetErrorMessage(status);
  api->ReleaseStatus(status);
  throw std::runtime_error(text);
}

// Runs the body of a callback, and turns exceptions into a status, because ONNX Runtime must not see any.
template <class F>
OrtStatus* guarded(const char* name, F run) {
  try {
    run();
    return nullptr;
  } catch (const std::invalid_argument& error) {
    return api->CreateStatus(ORT_INVALID_ARGUMENT, ("mapt::" + std::string(name) + ": " + error.what()).c_str());
  } catch (const std::exception& error) {
    return api->CreateStatus(ORT_FAIL, ("mapt::" + std::string(name) + ": " + error.what()).c_str());
  }
}

// A node's attributes. All of them are required, because defaults of exporter and library might differ.
class Attributes {
 public:
  explicit Attributes(const OrtKernelInfo* info) : info_(info) {}

  int64_t integer(const char* name, int64_t lowest, int64_t highest) const {
    int64_t value = 0;
    need(api->KernelInfoGetAttribute_int64(info_, name, &value), name, "an integer");
    check_range(name, " is ", value, lowest, highest);
    return value;
  }

  std::vector<int64_t> integers(const char* name, size_t count, int64_t lowest, int64_t highest) const {
    size_t found = 0;
    need(api->KernelInfoGetAttributeArray_int64(info_, name, nullptr, &found), name, "a list of integers");
    if (found != count) refuse(name, " has ", found, " entries, not ", count);
    std::vector<int64_t> values(count);
    need(api->KernelInfoGetAttributeArray_int64(info_, name, values.data(), &found), name, "a list of integers");
    for (const int64_t value : values) check_range(name, " holds ", value, lowest, highest);
    return values;
  }

 private:
  static void check_range(const char* name, const char* has, int64_t value, int64_t lowest, int64_t highest) {
    if (value < lowest) refuse(name, has, value, ", below ", lowest);
    if (value > highest) refuse(name, has, value, ", above ", highest);
  }

  void need(OrtStatus* status, const char* name, const char* kind) const {
    if (status == nullptr) return;
    api->ReleaseStatus(status);
    refuse("has no attribute ", name, " that is ", kind);
  }

  const OrtKernelInfo* info_;
};

struct Input {
  const float* data = nullptr;  // null if an optional input is absent; not null for an empty tensor
  Shape shape;

  int64_t size(size_t axis) const { return shape[axis]; }

  void check_dims(const char* name, size_t dims) const {
    if (shape.size() != dims) refuse(name, " has ", shape.size(), " dimensions, not ", dims);
  }
  void check_shape(const char* name, const Shape& wanted) const {
    if (shape != wanted) refuse(name, " is ", shape, ", not ", wanted);
  }
  // Checks that this is a feature map (n, channels, height, width).
  void check_map(const char* name) const {
    check_dims(name, 4);
    if (shape[2] < 1 || shape[3] < 1) refuse(name, " is an empty map of ", shape[2], " x ", shape[3]);
    if (!mapt::is_small_map(shape[2], shape[3])) refuse(name, " has more than 2^31 pixels");
  }
};

// One call of a node.
class Call {
 public:
  explicit Call(OrtKernelContext* context) : context_(context) {}

  Input input(size_t index) const {
    size_t count = 0;
    check(api->KernelContext_GetInputCount(context_, &count));
    const OrtValue* value = nullptr;
    if (index < count) check(api->KernelContext_GetInput(context_, index, &value));
    if (value == nullptr) return {};
    Input input;
    OrtTensorTypeAndShapeInfo* info = nullptr;
    check(api->GetTensorTypeAndShape(value, &info));
    size_t dims = 0;
    OrtStatus* status = api->GetDimensionsCount(info, &dims);
    if (status == nullptr) {
      input.shape.resize(dims);
      status = api->GetDimensions(info, input.shape.data(), dims);
    }
    api->ReleaseTensorTypeAndShapeInfo(info);
    check(status);
    if (!mapt::is_small_tensor(input.shape)) refuse("input ", index, " is ", input.shape, ", which is too large");
    void* data = nullptr;
    check(api->GetTensorMutableData(const_cast<OrtValue*>(value), &data));
    static const float nothing = 0;  // stands for the data of an empty tensor, which may have no memory
    input.data = data ? static_cast<const float*>(data) : &nothing;
    return input;
  }

  float* output(size_t index, const Shape& shape) const {
    if (!mapt::is_small_tensor(shape)) refuse("the output is ", shape, ", which is too large");
    OrtValue* value = nullptr;
    check(api->KernelContext_GetOutput(context_, index, shape.data(), shape.size(), &value));
    void* data = nullptr;
    check(api->GetTensorMutableData(value, &data));
    return static_cast<float*>(data);
  }

  // The stream on which the session queues its work on a GPU.
  void* stream() const {
    void* stream = nullptr;
    check(api->KernelContext_GetGPUComputeStream(context_, &stream));
    return stream;
  }

  // The memory of the first input, which is that of the operator's provider.
  OrtAllocator* allocator() const {
    const OrtValue* value = nullptr;
    const OrtMemoryInfo* memory = nullptr;
    OrtAllocator* allocator = nullptr;
    check(api->KernelContext_GetInput(context_, 0, &value));
    check(api->GetTensorMemoryInfo(value, &memory));
    check(api->KernelContext_GetAllocator(context_, memory, &allocator));
    return allocator;
  }

  // Runs a body on the session's threads, each of which takes the next piece when it is done.
  mapt::Parallel threads() const { return {run_on_session_threads, context_}; }

 private:
  struct Work {
    mapt::Parallel::Body body;
    void* context;
    int64_t tasks, pieces;
    std::atomic<bool> failed{false};
  };

  static void run_piece(void* argument, size_t index) {
    auto& work = *static_cast<Work*>(argument);
    const auto i = static_cast<int64_t>(index);
    try {
      work.body(work.context, work.tasks * i / work.pieces, work.tasks * (i + 1) / work.pieces);
    } catch (const std::bad_alloc&) {
      work.failed = true;  // no exception may reach the session's threads
    }
  }

  static void run_on_session_threads(void* context, int64_t tasks, mapt::Parallel::Body body, void* argument) {
    static const int64_t max_pieces = 4 * std::max(1u, std::thread::hardware_concurrency());
    if (tasks == 0) return;
    Work work{body, argument, tasks, std::min(tasks, max_pieces)};
    const auto pieces = static_cast<size_t>(work.pieces);
    check(api->KernelContext_ParallelFor(static_cast<OrtKernelContext*>(context), run_piece, pieces, pieces, &work));
    if (work.failed) throw std::bad_alloc();
  }

  OrtKernelContext* context_;
};

// Memory of a call's provider, aligned to 256 bytes. It is released when the work is queued, not when it is done. This
// is safe because its next user is queued later on the same stream, as with ONNX Runtime's own operators.
class Workspace {
 public:
  Workspace(const Call& call, size_t bytes) {
    if (bytes == 0) return;
    allocator_ = call.allocator();
    OrtStatus* status = api->AllocatorAlloc(allocator_, bytes + kAlignment - 1, &memory_);
    if (status == nullptr) return;
    api->ReleaseAllocator(allocator_);
    check(status);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    if (allocator_ == nullptr) return;
    OrtStatus* status = api->AllocatorFree(allocator_, memory_);
    if (status != nullptr) api->ReleaseStatus(status);  // a destructor cannot report an error
    api->ReleaseAllocator(allocator_);
  }

  void* data() const {
    const auto address = reinterpret_cast<uintptr_t>(memory_);
    return reinterpret_cast<void*>((address + kAlignment - 1) / kAlignment * kAlignment);
  }

 private:
  static constexpr size_t kAlignment = 256;
  OrtAllocator* allocator_ = nullptr;
  void* memory_ = nullptr;
};

}  // namespace mapt_ort
