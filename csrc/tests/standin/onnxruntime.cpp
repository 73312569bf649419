// An ONNX Runtime with CUDA on a machine without a GPU, for tests: the real library, whose CUDA provider is the CPU's
// under another name. Bound runs are queued on the stand-in's stream, and read and write its device's memory.
//
// MAPT_STANDIN_ORT names the real library.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../third_party/onnxruntime/onnxruntime_c_api.h"
#include "tests/standin/cuda.h"

namespace {

struct Cuda {
  void* stream = nullptr;
  bool captured = false;
};

struct Value {
  void* address;
  std::size_t bytes;
  std::vector<std::int64_t> shape;
  ONNXTensorElementDataType type;
  bool input;
};

using Values = std::map<std::string, Value>;

struct Binding {
  OrtSession* session;
  Values bound;
};

// A run with what was bound when it was queued.
struct Run {
  OrtSession* session;
  Values bound;
};

struct Runtime {
  std::mutex lock;
  const OrtApi* real = nullptr;
  OrtApi api{};
  std::map<const OrtSessionOptions*, Cuda> options;
  std::map<OrtSession*, Cuda> sessions;
  std::map<OrtIoBinding*, Binding> bindings;
  std::map<const OrtRunOptions*, std::map<std::string, std::string>> runs;
  std::map<std::pair<OrtSession*, std::string>, std::shared_ptr<Run>> graphs;
};

Runtime& world() {
  static auto* found = new Runtime;
  return *found;
}

void require(OrtStatus* status) {
  if (!status) return;
  std::fprintf(stderr, "stand-in: %s\n", world().real->GetErrorMessage(status));
  std::abort();
}

OrtStatus* fail(const char* text) { return world().real->CreateStatus(ORT_FAIL, text); }

void execute(const Run& run) {
  const OrtApi& api = *world().real;
  OrtIoBinding* binding = nullptr;
  OrtMemoryInfo* place = nullptr;
  require(api.CreateIoBinding(run.session, &binding));
  require(api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &place));
  for (const auto& [name, value] : run.bound) {
    OrtValue* made = nullptr;
    require(api.CreateTensorWithDataAsOrtValue(place, value.address, value.bytes, value.shape.data(),
                                               value.shape.size(), value.type, &made));
    require(value.input ? api.BindInput(binding, name.c_str(), made) : api.BindOutput(binding, name.c_str(), made));
    api.ReleaseValue(made);
  }
  require(api.RunWithBinding(run.session, nullptr, binding));
  api.ReleaseIoBinding(binding);
  api.ReleaseMemoryInfo(place);
}

void launch(void* stream, const char* how, const std::shared_ptr<Run>& run) {
  using Held = std::shared_ptr<Run>;
  standin_launch(
      stream, how, [](void* what) { execute(**static_cast<Held*>(what)); },
      [](void* what) { delete static_cast<Held*>(what); }, new Held(run));
}

OrtStatus* ORT_API_CALL providers(char*** names, int* count) noexcept {
  static char cuda[] = "CUDAExecutionProvider", cpu[] = "CPUExecutionProvider";
  static char* all[] = {cuda, cpu};
  *names = all;
  *count = 2;
  return nullptr;
}

OrtStatus* ORT_API_CALL release_providers(char**, int) noexcept { return nullptr; }

OrtStatus* ORT_API_CALL create_cuda(OrtCUDAProviderOptionsV2** made) noexcept {
  *made = reinterpret_cast<OrtCUDAProviderOptionsV2*>(new Cuda);
  return nullptr;
}

void ORT_API_CALL release_cuda(OrtCUDAProviderOptionsV2* cuda) noexcept { delete reinterpret_cast<Cuda*>(cuda); }

OrtStatus* ORT_API_CALL update_cuda(OrtCUDAProviderOptionsV2* cuda, const char* const* keys, const char* const* values,
                                    size_t count) noexcept {
  for (size_t i = 0; i < count; ++i)
    if (std::strcmp(keys[i], "enable_cuda_graph") == 0)
      reinterpret_cast<Cuda*>(cuda)->captured = std::strcmp(values[i], "1") == 0;
  return nullptr;
}

OrtStatus* ORT_API_CALL update_value(OrtCUDAProviderOptionsV2* cuda, const char* key, void* value) noexcept {
  if (std::strcmp(key, "user_compute_stream") != 0) return fail("an unknown value");
  reinterpret_cast<Cuda*>(cuda)->stream = value;
  return nullptr;
}

OrtStatus* ORT_API_CALL append_cuda(OrtSessionOptions* options, const OrtCUDAProviderOptionsV2* cuda) noexcept {
  world().options[options] = *reinterpret_cast<const Cuda*>(cuda);
  return nullptr;
}

void ORT_API_CALL release_options(OrtSessionOptions* options) noexcept {
  world().options.erase(options);
  world().real->ReleaseSessionOptions(options);
}

OrtStatus* ORT_API_CALL open(const OrtEnv* environment, const void* data, size_t size, const OrtSessionOptions* options,
                             OrtSession** session) noexcept {
  const auto cuda = world().options.find(options);
  const std::string graph(static_cast<const char*>(data), size);
  if (cuda != world().options.end() && cuda->second.captured && graph.find("Loop") != std::string::npos)
    return fail("the model has control flow nodes which can't be supported");
  OrtStatus* failed = world().real->CreateSessionFromArray(environment, data, size, options, session);
  if (!failed && cuda != world().options.end()) world().sessions[*session] = cuda->second;
  return failed;
}

void ORT_API_CALL close(OrtSession* session) noexcept {
  world().sessions.erase(session);
  world().real->ReleaseSession(session);
}

OrtStatus* ORT_API_CALL create_place(const char* name, OrtAllocatorType type, int id, OrtMemType kind,
                                     OrtMemoryInfo** place) noexcept {
  return world().real->CreateMemoryInfo(std::strcmp(name, "Cuda") == 0 ? "Cpu" : name, type, id, kind, place);
}

OrtStatus* ORT_API_CALL create_binding(OrtSession* session, OrtIoBinding** binding) noexcept {
  OrtStatus* failed = world().real->CreateIoBinding(session, binding);
  if (!failed) world().bindings[*binding] = {session, {}};
  return failed;
}

void ORT_API_CALL release_binding(OrtIoBinding* binding) noexcept {
  world().bindings.erase(binding);
  world().real->ReleaseIoBinding(binding);
}

OrtStatus* bind(OrtIoBinding* binding, const char* name, const OrtValue* value, bool input) noexcept {
  const OrtApi& api = *world().real;
  Binding& known = world().bindings.at(binding);
  if (!world().sessions.count(known.session))
    return input ? api.BindInput(binding, name, value) : api.BindOutput(binding, name, value);
  Value bound{};
  bound.input = input;
  OrtTensorTypeAndShapeInfo* about = nullptr;
  require(api.GetTensorMutableData(const_cast<OrtValue*>(value), &bound.address));
  require(api.GetTensorTypeAndShape(value, &about));
  size_t rank = 0, count = 0;
  require(api.GetDimensionsCount(about, &rank));
  bound.shape.resize(rank);
  require(api.GetDimensions(about, bound.shape.data(), rank));
  require(api.GetTensorElementType(about, &bound.type));
  require(api.GetTensorShapeElementCount(about, &count));
  api.ReleaseTensorTypeAndShapeInfo(about);
  bound.bytes = count * (bound.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 ? 1 : 4);
  if (!standin_holds(bound.address, bound.bytes)) return fail("a tensor is bound that is not on the device");
  known.bound[name] = bound;
  return nullptr;
}

OrtStatus* ORT_API_CALL bind_input(OrtIoBinding* binding, const char* name, const OrtValue* value) noexcept {
  return bind(binding, name, value, true);
}

OrtStatus* ORT_API_CALL bind_output(OrtIoBinding* binding, const char* name, const OrtValue* value) noexcept {
  return bind(binding, name, value, false);
}

OrtStatus* ORT_API_CALL add_entry(OrtRunOptions* options, const char* key, const char* value) noexcept {
  world().runs[options][key] = value;
  return nullptr;
}

void ORT_API_CALL release_run(OrtRunOptions* options) noexcept {
  world().runs.erase(options);
  world().real->ReleaseRunOptions(options);
}

OrtStatus* ORT_API_CALL run_bound(OrtSession* session, const OrtRunOptions* options,
                                  const OrtIoBinding* binding) noexcept {
  const auto cuda = world().sessions.find(session);
  if (cuda == world().sessions.end()) return world().real->RunWithBinding(session, options, binding);
  auto& entries = world().runs[options];
  if (!cuda->second.stream || entries["disable_synchronize_execution_providers"] != "1")
    return fail("a run waits for the device");
  auto run = std::make_shared<Run>(Run{session, world().bindings.at(const_cast<OrtIoBinding*>(binding)).bound});
  const std::string graph = entries["gpu_graph_id"];
  const bool replays = cuda->second.captured && graph != "-1" && !graph.empty();
  if (replays) {
    auto& known = world().graphs[{session, graph}];
    const bool captured = known != nullptr;
    if (!captured) known = run;
    launch(cuda->second.stream, captured ? "captured" : "capturing", known);
  } else {
    launch(cuda->second.stream, "plain", run);
  }
  return nullptr;
}

const OrtApi* ORT_API_CALL get_api(uint32_t) noexcept { return &world().api; }
const char* ORT_API_CALL version() noexcept;

const OrtApiBase kBase{get_api, version};
const OrtApiBase* real_base = nullptr;

const char* ORT_API_CALL version() noexcept { return real_base->GetVersionString(); }

void patch() {
  const char* path = std::getenv("MAPT_STANDIN_ORT");
  void* library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (!library) std::abort();
  real_base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(library, "OrtGetApiBase"))();
  world().real = real_base->GetApi(20);
  OrtApi& api = world().api;
  api = *world().real;
  api.GetAvailableProviders = providers;
  api.ReleaseAvailableProviders = release_providers;
  api.CreateCUDAProviderOptions = create_cuda;
  api.ReleaseCUDAProviderOptions = release_cuda;
  api.UpdateCUDAProviderOptions = update_cuda;
  api.UpdateCUDAProviderOptionsWithValue = update_value;
  api.SessionOptionsAppendExecutionProvider_CUDA_V2 = append_cuda;
  api.ReleaseSessionOptions = release_options;
  api.CreateSessionFromArray = open;
  api.ReleaseSession = close;
  api.CreateMemoryInfo = create_place;
  api.CreateIoBinding = create_binding;
  api.ReleaseIoBinding = release_binding;
  api.BindInput = bind_input;
  api.BindOutput = bind_output;
  api.AddRunConfigEntry = add_entry;
  api.ReleaseRunOptions = release_run;
  api.RunWithBinding = run_bound;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const OrtApiBase* ORT_API_CALL OrtGetApiBase() noexcept {
  static const bool patched = (patch(), true);
  (void)patched;
  return &kBase;
}
