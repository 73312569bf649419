// TensorRT on a machine without a GPU, for tests: an "engine" is an ONNX graph, which ONNX Runtime runs on the
// stand-in's device. A file that is none is refused, as another TensorRT's engine is.
//
// MAPT_STANDIN_ORT names ONNX Runtime's library. Methods that libmapt does not call end the process (unused.h, made
// from TensorRT's headers).
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../third_party/onnxruntime/onnxruntime_c_api.h"
#include "tests/standin/cuda.h"
#include "unused.h"

namespace {

using namespace nvinfer1;

const OrtApi& ort() {
  static const OrtApi* found = [] {
    const char* path = std::getenv("MAPT_STANDIN_ORT");
    void* library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (!library) std::abort();
    return reinterpret_cast<const OrtApiBase* (*)()>(dlsym(library, "OrtGetApiBase"))()->GetApi(20);
  }();
  return *found;
}

bool well(OrtStatus* status) {
  if (status) ort().ReleaseStatus(status);
  return !status;
}

void require(OrtStatus* status) {
  if (!status) return;
  std::fprintf(stderr, "stand-in: %s\n", ort().GetErrorMessage(status));
  std::abort();
}

struct Known {
  std::string name;
  bool input;
  std::vector<std::int64_t> shape;
  ONNXTensorElementDataType type;

  std::size_t bytes() const {
    std::size_t count = type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 ? 1 : 4;
    for (const std::int64_t side : shape) count *= static_cast<std::size_t>(side);
    return count;
  }
};

struct Session {
  OrtSession* session = nullptr;
  std::vector<Known> tensors;

  ~Session() { ort().ReleaseSession(session); }

  void describe(bool input) {
    std::size_t count = 0;
    require(input ? ort().SessionGetInputCount(session, &count) : ort().SessionGetOutputCount(session, &count));
    OrtAllocator* allocator = nullptr;
    require(ort().GetAllocatorWithDefaultOptions(&allocator));
    for (std::size_t i = 0; i < count; ++i) {
      char* name = nullptr;
      OrtTypeInfo* type = nullptr;
      const OrtTensorTypeAndShapeInfo* about = nullptr;
      std::size_t rank = 0;
      Known known{};
      require(input ? ort().SessionGetInputName(session, i, allocator, &name)
                    : ort().SessionGetOutputName(session, i, allocator, &name));
      require(input ? ort().SessionGetInputTypeInfo(session, i, &type)
                    : ort().SessionGetOutputTypeInfo(session, i, &type));
      require(ort().CastTypeInfoToTensorInfo(type, &about));
      require(ort().GetDimensionsCount(about, &rank));
      known.shape.resize(rank);
      require(ort().GetDimensions(about, known.shape.data(), rank));
      require(ort().GetTensorElementType(about, &known.type));
      known.name = name;
      known.input = input;
      require(ort().AllocatorFree(allocator, name));
      ort().ReleaseTypeInfo(type);
      tensors.push_back(known);
    }
  }
};

// A run on the addresses that were set when it was queued.
struct Run {
  std::shared_ptr<Session> session;
  std::map<std::string, void*> addresses;
};

void execute(void* what) {
  const Run& run = *static_cast<Run*>(what);
  OrtMemoryInfo* place = nullptr;
  require(ort().CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &place));
  std::vector<const char*> names[2];
  std::vector<OrtValue*> values[2];
  for (const Known& known : run.session->tensors) {
    OrtValue* value = nullptr;
    require(ort().CreateTensorWithDataAsOrtValue(place, run.addresses.at(known.name), known.bytes(), known.shape.data(),
                                                 known.shape.size(), known.type, &value));
    names[known.input].push_back(known.name.c_str());
    values[known.input].push_back(value);
  }
  require(ort().Run(run.session->session, nullptr, names[1].data(), values[1].data(), names[1].size(), names[0].data(),
                    names[0].size(), values[0].data()));
  for (const auto& some : values)
    for (OrtValue* value : some) ort().ReleaseValue(value);
  ort().ReleaseMemoryInfo(place);
}

class Context final : public IExecutionContext, public UnusedContext {
 public:
  explicit Context(std::shared_ptr<Session> session) : session_(std::move(session)) { mImpl = this; }
  IExecutionContext* getPImpl() noexcept override { return this; }

  bool setTensorAddress(const char* name, void* data) noexcept override {
    for (const Known& known : session_->tensors)
      if (known.name == name && standin_holds(data, known.bytes())) {
        addresses_[name] = data;
        return true;
      }
    return false;
  }

  bool enqueueV3(cudaStream_t stream) noexcept override {
    if (addresses_.size() != session_->tensors.size() || std::getenv("MAPT_STANDIN_REFUSES")) return false;
    standin_launch(
        stream, "engine", execute, [](void* what) { delete static_cast<Run*>(what); }, new Run{session_, addresses_});
    return true;
  }

 private:
  std::shared_ptr<Session> session_;
  std::map<std::string, void*> addresses_;
};

class Engine final : public ICudaEngine, public UnusedEngine {
 public:
  explicit Engine(std::shared_ptr<Session> session) : session_(std::move(session)) { mImpl = this; }
  ICudaEngine* getPImpl() noexcept override { return this; }

  IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy) noexcept override {
    return new Context(session_);
  }
  std::int32_t getNbIOTensors() const noexcept override { return static_cast<std::int32_t>(session_->tensors.size()); }
  const char* getIOTensorName(std::int32_t index) const noexcept override {
    return session_->tensors[static_cast<std::size_t>(index)].name.c_str();
  }
  Dims getTensorShape(const char* name) const noexcept override {
    const Known& known = named(name);
    Dims dims{};
    dims.nbDims = static_cast<std::int32_t>(known.shape.size());
    for (std::size_t i = 0; i < known.shape.size(); ++i) dims.d[i] = known.shape[i];
    return dims;
  }
  DataType getTensorDataType(const char* name) const noexcept override {
    const ONNXTensorElementDataType type = named(name).type;
    if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) return DataType::kUINT8;
    return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 ? DataType::kINT32 : DataType::kFLOAT;
  }
  TensorIOMode getTensorIOMode(const char* name) const noexcept override {
    return named(name).input ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
  }

 private:
  const Known& named(const char* name) const {
    for (const Known& known : session_->tensors)
      if (known.name == name) return known;
    std::abort();
  }

  std::shared_ptr<Session> session_;
};

class Runtime final : public IRuntime, public UnusedRuntime {
 public:
  Runtime() { mImpl = this; }
  IRuntime* getPImpl() noexcept override { return this; }

  ICudaEngine* deserializeCudaEngine(const void* blob, std::size_t size) noexcept override {
    static OrtEnv* environment = nullptr;
    if (!environment) require(ort().CreateEnv(ORT_LOGGING_LEVEL_FATAL, "stand-in", &environment));
    OrtSessionOptions* options = nullptr;
    require(ort().CreateSessionOptions(&options));
    require(ort().SetIntraOpNumThreads(options, 1));
    auto session = std::make_shared<Session>();
    const bool opened = well(ort().CreateSessionFromArray(environment, blob, size, options, &session->session));
    ort().ReleaseSessionOptions(options);
    if (!opened) return nullptr;
    session->describe(true);
    session->describe(false);
    return new Engine(session);
  }
};

std::int32_t version(int part) {
  const char* told = std::getenv("MAPT_STANDIN_TENSORRT");
  int parts[4] = {10, 14, 1, 48};
  if (told) std::sscanf(told, "%d.%d.%d.%d", parts, parts + 1, parts + 2, parts + 3);
  return parts[part];
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)
void* createInferRuntime_INTERNAL(void*, std::int32_t) noexcept { return static_cast<IRuntime*>(new Runtime); }
std::int32_t getInferLibVersion() noexcept { return version(0) * 10000 + version(1) * 100 + version(2); }
std::int32_t getInferLibBuildVersion() noexcept { return version(3); }
#pragma GCC visibility pop
}
