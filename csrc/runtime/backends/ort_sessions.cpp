#include "runtime/backends/ort_sessions.h"

#include <algorithm>
#include <map>

#include "runtime/backends/cores.h"
#include "runtime/backends/ort_provider.h"
#include "runtime/bundle/errors.h"
#include "runtime/bundle/graph_check.h"
#include "runtime/bundle/requirements.h"

namespace mapt {

namespace {

constexpr int kMostTensors = 8;  // inputs or outputs of a subgraph

const SubgraphSpec& spec_of(Subgraph subgraph) { return kSubgraphs[static_cast<int>(subgraph)]; }

void collect_names(const TensorSpec* tensors, int count, const char** names) {
  for (int i = 0; i < count; ++i) names[i] = tensors[i].name;
}

// Tensors as Python writes them: name and shape, or name, shape and type where that is wrong.
std::string listed(const std::map<std::string, std::string>& tensors) {
  std::string out;
  for (const auto& [name, shape] : tensors) out += (out.empty() ? "'" : ", '") + name + "': " + shape;
  return "{" + out + "}";
}

std::string text_of(const Shape& shape) {
  std::string out;
  for (const std::int64_t side : shape) out += (out.empty() ? "" : ", ") + std::to_string(side);
  return "[" + out + "]";
}

const char* type_text(ONNXTensorElementDataType type) {
  if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) return " float32";
  if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) return " uint8";
  return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 ? " int32" : " of another type";
}

std::map<std::string, std::string> wanted_tensors(const TensorSpec* tensors, int count, const Sizes& sizes) {
  std::map<std::string, std::string> found;
  for (int i = 0; i < count; ++i)
    found[tensors[i].name] = text_of(resolve(tensors[i], sizes)) + type_text(element_type(tensors[i]));
  return found;
}

// Name, shape and type of an input or output of a session. Throws OrtError.
std::pair<std::string, std::string> described(const OrtLibrary& library, OrtSession* session, std::size_t index,
                                              bool input) {
  const OrtApi& api = library.api();
  OrtAllocator* allocator = nullptr;
  library.check(api.GetAllocatorWithDefaultOptions(&allocator));
  char* given = nullptr;
  library.check(input ? api.SessionGetInputName(session, index, allocator, &given)
                      : api.SessionGetOutputName(session, index, allocator, &given));
  const std::string name = given;
  library.check(api.AllocatorFree(allocator, given));
  OrtTypeInfo* type = nullptr;
  library.check(input ? api.SessionGetInputTypeInfo(session, index, &type)
                      : api.SessionGetOutputTypeInfo(session, index, &type));
  const std::unique_ptr<OrtTypeInfo, decltype(api.ReleaseTypeInfo)> owner(type, api.ReleaseTypeInfo);
  const OrtTensorTypeAndShapeInfo* tensor = nullptr;
  library.check(api.CastTypeInfoToTensorInfo(type, &tensor));
  if (!tensor) return {name, "no tensor"};
  std::size_t rank = 0;
  library.check(api.GetDimensionsCount(tensor, &rank));
  Shape shape(rank);
  library.check(api.GetDimensions(tensor, shape.data(), rank));
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  library.check(api.GetTensorElementType(tensor, &element));
  return {name, text_of(shape) + type_text(element)};
}

std::map<std::string, std::string> found_tensors(const OrtLibrary& library, OrtSession* session, bool input) {
  std::size_t count = 0;
  library.check(input ? library.api().SessionGetInputCount(session, &count)
                      : library.api().SessionGetOutputCount(session, &count));
  std::map<std::string, std::string> found;
  for (std::size_t i = 0; i < count; ++i) found.insert(described(library, session, i, input));
  return found;
}

void settle(SessionOptions& settings, int threads) {
  settings.threads(threads);
  // Without work a pool's threads should sleep: the subgraphs alternate, and spinning ones slow each other down.
  settings.set("session.intra_op.allow_spinning", "0");
  settings.set("session.force_spinning_stop", "1");
  // ONNX Runtime would also take its own format, whose content nobody has looked at.
  settings.set("session.load_model_format", "ONNX");
}

}  // namespace

OrtSessions::OrtSessions(std::shared_ptr<const OrtLibrary> library, const Bundle& bundle, const NetworkOptions& options)
    : library_(std::move(library)) {
  check_requirements(bundle.needed, library_->version(), bundle.folder);
  for (const auto& [name, graph] : bundle.graphs) check_graph(graph.path, graph.content);
  const int threads = options.threads > 0 ? std::min(options.threads, usable_cores()) : usable_cores();
  SessionOptions settings(*library_);
  settle(settings, threads);
  add_operators(*library_, bundle, options, settings);
  cuda_ = choose_cuda(*library_, bundle, options);
  provider_ = cuda_ ? kCudaProvider : kCpuProvider;
  if (cuda_ && options.tf32) provider_ += " with TF32";
  try {
    if (cuda_) {
      library_->check(library_->api().SetDeterministicCompute(settings.get(), true));
      settings.add_cuda(options.tf32);
    }
    for (int i = 0; i < kSubgraphCount; ++i) {
      const BundleFile& graph = bundle.graphs.at(kSubgraphs[i].name);
      if (!can_start_threads(threads - 1))
        throw InputError(graph.path +
                         ": the system gives no more threads; take fewer, end other programs, or raise the limit: "
                         "ulimit -u, or a container's limit of processes");
      sessions_[i] = open(graph, settings.get());
      check_contract(graph, static_cast<Subgraph>(i), bundle.info.sizes);
    }
    if (cuda_) {
      OrtMemoryInfo* place = nullptr;
      library_->check(library_->api().CreateMemoryInfo("Cuda", OrtDeviceAllocator, 0, OrtMemTypeDefault, &place));
      const std::unique_ptr<OrtMemoryInfo, decltype(library_->api().ReleaseMemoryInfo)> owner(
          place, library_->api().ReleaseMemoryInfo);
      library_->check(library_->api().CreateAllocator(sessions_[0], place, &device_));
    }
  } catch (const OrtError& error) {
    release();
    throw InputError(bundle.folder + ": ONNX Runtime does not run it (" + error.text + "); try device 'cpu'");
  } catch (...) {
    release();
    throw;
  }
}

OrtSessions::~OrtSessions() { release(); }

void OrtSessions::release() noexcept {
  if (device_) library_->api().ReleaseAllocator(device_);
  device_ = nullptr;
  for (OrtSession*& session : sessions_) {
    if (session) library_->api().ReleaseSession(session);
    session = nullptr;
  }
}

OrtSession* OrtSessions::open(const BundleFile& graph, const OrtSessionOptions* settings) const {
  OrtSession* session = nullptr;
  std::string said;
  const bool opened =
      library_->well(library_->api().CreateSessionFromArray(library_->environment(), graph.content.data(),
                                                            graph.content.size(), settings, &session),
                     &said);
  if (!opened) throw InputError(graph.path + ": ONNX Runtime cannot load it (" + said + ")");
  return session;
}

void OrtSessions::check_contract(const BundleFile& graph, Subgraph subgraph, const Sizes& sizes) const {
  const SubgraphSpec& spec = spec_of(subgraph);
  OrtSession* session = sessions_[static_cast<int>(subgraph)];
  for (const bool input : {true, false}) {
    const auto want =
        wanted_tensors(input ? spec.inputs : spec.outputs, input ? spec.input_count : spec.output_count, sizes);
    const auto have = found_tensors(*library_, session, input);
    if (want != have)
      throw InputError(graph.path + ": its tensors " + listed(have) + " are not the contract's " + listed(want) +
                       "; export the bundle again");
  }
}

Status OrtSessions::run(Subgraph subgraph, const OrtValue* const* inputs, OrtValue** outputs) const noexcept {
  const SubgraphSpec& spec = spec_of(subgraph);
  const char* in[kMostTensors];
  const char* out[kMostTensors];
  collect_names(spec.inputs, spec.input_count, in);
  collect_names(spec.outputs, spec.output_count, out);
  const OrtApi& api = library_->api();
  OrtStatus* failed =
      api.Run(sessions_[static_cast<int>(subgraph)], nullptr, in, inputs, static_cast<std::size_t>(spec.input_count),
              out, static_cast<std::size_t>(spec.output_count), outputs);
  if (!failed) return {};
  const Status status =
      Status::of(Code::kBackend, "%s: ONNX Runtime: %.400s; frame dropped", spec.name, api.GetErrorMessage(failed));
  api.ReleaseStatus(failed);
  return status;
}

Tensor OrtSessions::on_device(const TensorSpec& spec, const Shape& shape) const {
  return device_ ? Tensor(*library_, device_, spec, shape) : Tensor(*library_, spec, shape);
}

}  // namespace mapt
