#include "runtime/backends/ort_sessions.h"

#include <algorithm>
#include <map>

#include "runtime/backends/cores.h"
#include "runtime/backends/host_memory.h"
#include "runtime/bundle/errors.h"
#include "runtime/bundle/graph_check.h"
#include "runtime/bundle/requirements.h"
#include "runtime/cuda/memory.h"

namespace mapt {

namespace {

constexpr char kGraphs[] = " with CUDA graphs";  // behind a provider's name

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
    : library_(std::move(library)),
      bundle_(&bundle),
      options_(options),
      place_(nullptr, library_->api().ReleaseMemoryInfo) {
  check_requirements(bundle.needed, library_->version(), bundle.folder);
  for (const auto& [name, graph] : bundle.graphs) check_graph(graph.path, graph.content);
  threads_ = options.threads > 0 ? std::min(options.threads, usable_cores()) : usable_cores();
  plain_ = settings();
  cuda_ = choose_cuda(*library_, bundle, options);
  tf32_ = cuda_ && options.tf32;
  providers_.fill(std::string(cuda_ ? kCudaProvider : kCpuProvider) + (tf32_ ? " with TF32" : ""));
  try {
    open_memory();
    for (int i = 0; i < kSubgraphCount; ++i)
      sessions_[static_cast<std::size_t>(i)] =
          open(static_cast<Subgraph>(i), cuda_ ? OrtRuns::kQueued : OrtRuns::kWaiting);
  } catch (const DeviceError& error) {
    throw InputError("device 'cuda': CUDA cannot be used (" + error.text +
                     "); repair NVIDIA's driver, or take device 'cpu'");
  } catch (const OrtError& error) {
    throw InputError(bundle.folder + ": ONNX Runtime does not run it (" + error.text + "); try device 'cpu'");
  }
}

// The memory where sessions compute, on whose stream they queue their work.
void OrtSessions::open_memory() {
  const OrtApi& api = library_->api();
  OrtMemoryInfo* place = nullptr;
  if (cuda_) {
    memory_ = std::make_unique<CudaMemory>();
    plain_->add_cuda({options_.tf32, memory_->stream(), false});
    capturing_ = settings();
    capturing_->add_cuda({options_.tf32, memory_->stream(), true});
    library_->check(api.CreateMemoryInfo("Cuda", OrtDeviceAllocator, 0, OrtMemTypeDefault, &place));
  } else {
    memory_ = std::make_unique<HostMemory>();
    library_->check(api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &place));
  }
  place_.reset(place);
}

std::unique_ptr<SessionOptions> OrtSessions::settings() const {
  auto made = std::make_unique<SessionOptions>(*library_);
  settle(*made, threads_);
  add_operators(*library_, *bundle_, options_, *made);
  return made;
}

OrtSessions::Session OrtSessions::open(Subgraph subgraph, OrtRuns runs) const {
  const BundleFile& graph = bundle_->graphs.at(spec_of(subgraph).name);
  const SessionOptions& settings = runs == OrtRuns::kCaptured ? *capturing_ : *plain_;
  const auto key = [&] {
    return std::to_string(threads_) + " " + graph.sha256 + " " + library_->path() + " " + options_.operators;
  };
  SharedSession session = cuda_ ? load(graph, settings) : shared_session(key(), [&] { return load(graph, settings); });
  auto bound =
      std::make_unique<BoundSession>(*library_, std::move(session), subgraph, bundle_->info.sizes, place_.get(), runs);
  check_contract(graph, subgraph, bound->session());
  return bound;
}

SharedSession OrtSessions::load(const BundleFile& graph, const SessionOptions& settings) const {
  if (!can_start_threads(threads_ - 1))
    throw InputError(graph.path +
                     ": the system gives no more threads; take fewer, end other programs, or raise the limit: "
                     "ulimit -u, or a container's limit of processes");
  OrtSession* session = nullptr;
  std::string said;
  const bool opened =
      library_->well(library_->api().CreateSessionFromArray(library_->environment(), graph.content.data(),
                                                            graph.content.size(), settings.get(), &session),
                     &said);
  if (!opened) throw InputError(graph.path + ": ONNX Runtime cannot load it (" + said + ")");
  return {session, library_->api().ReleaseSession};
}

void OrtSessions::check_contract(const BundleFile& graph, Subgraph subgraph, OrtSession* session) const {
  const SubgraphSpec& spec = spec_of(subgraph);
  for (const bool input : {true, false}) {
    const auto want = wanted_tensors(input ? spec.inputs : spec.outputs, input ? spec.input_count : spec.output_count,
                                     bundle_->info.sizes);
    const auto have = found_tensors(*library_, session, input);
    if (want != have)
      throw InputError(graph.path + ": its tensors " + listed(have) + " are not the contract's " + listed(want) +
                       "; export the bundle again");
  }
}

Status OrtSessions::run(Subgraph subgraph, const Addresses& addresses) noexcept {
  return sessions_[static_cast<std::size_t>(subgraph)]->run(addresses);
}

// ONNX Runtime tells only by trying whether a session can be captured.
void OrtSessions::rehearse(const Addresses (&addresses)[kSubgraphCount]) {
  for (std::size_t i = 0; cuda_ && options_.cuda_graphs && i < kSubgraphCount; ++i) {
    Session captured;
    bool runs = true;
    try {
      captured = open(static_cast<Subgraph>(i), OrtRuns::kCaptured);
      for (int run = 0; run < 2 && runs; ++run)  // the first run captures, the second replays
        runs = captured->run(addresses[i]).ok() && memory_->wait().ok();
    } catch (const InputError&) {
      runs = false;
    } catch (const OrtError&) {
      runs = false;
    }
    if (!runs) continue;
    sessions_[i] = std::move(captured);
    providers_[i] += kGraphs;
  }
  bundle_ = nullptr;
  plain_.reset();
  capturing_.reset();
}

}  // namespace mapt
