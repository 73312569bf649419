#include "runtime/backends/ort_provider.h"

#include <algorithm>

#include "runtime/backends/device_memory.h"
#include "runtime/bundle/errors.h"
#include "runtime/bundle/json_text.h"
#include "runtime/cuda/driver.h"

// csrc/onnxruntime/library.cpp, which is linked in.
extern "C" int64_t mapt_operator_version();
extern "C" OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base);

namespace mapt {

namespace {

constexpr char kDomain[] = "mapt";
// What a graph calls logits that it ranks channels last: for a CPU alone, CUDA's Resize takes them for others.
constexpr char kChannelsLast[] = "_larger";
constexpr char kOthers[] = "export with --ops standard or gridsample";
// y = Relu(x) of one float: the smallest graph that shows whether a provider comes up and its kernels run.
constexpr unsigned char kRelu[] =
    "\x08\x08:3\n\x0c\n\x01x\x12\x01y\"\x04Relu\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01"
    "b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01"
    "B\x04\n\x00\x10\r";

// Loads CUDA's provider and lets it run something. Throws OrtError.
void start_cuda(const OrtLibrary& library) {
  SessionOptions settings(library);
  settings.threads(1);
  settings.add_cuda({});
  const OrtApi& api = library.api();
  OrtSession* session = nullptr;
  library.check(api.CreateSessionFromArray(library.environment(), kRelu, sizeof kRelu - 1, settings.get(), &session));
  OrtMemoryInfo* place = nullptr;
  OrtValue *in = nullptr, *out = nullptr;
  float one = 1;
  const std::int64_t shape[] = {1};
  const char* const names[] = {"x", "y"};
  std::string said;
  const bool ran = library.well(api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &place), &said) &&
                   library.well(api.CreateTensorWithDataAsOrtValue(place, &one, sizeof one, shape, 1,
                                                                   ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &in),
                                &said) &&
                   library.well(api.Run(session, nullptr, names, &in, 1, names + 1, 1, &out), &said);
  if (out) api.ReleaseValue(out);
  if (in) api.ReleaseValue(in);
  if (place) api.ReleaseMemoryInfo(place);
  api.ReleaseSession(session);
  if (!ran) throw OrtError{said};
}

// Why CUDA cannot run the bundle; empty where it can.
std::string cuda_fault(const OrtLibrary& library, const Bundle& bundle, const NetworkOptions& options) {
  const auto providers = library.providers();
  if (!std::count(providers.begin(), providers.end(), kCudaProvider))
    return "this ONNX Runtime (" + library.version() + ") has no CUDA provider; install onnxruntime-gpu";
  try {
    cuda_driver();
    start_cuda(library);
  } catch (const DeviceError& error) {
    return error.text;
  } catch (const OrtError& error) {
    return "CUDA's provider fails (" + error.text + ")";
  }
  if (!bundle.operators.count(kDomain)) return "";
  if (options.operators.empty()) return std::string("the operators that are linked in are for a CPU; ") + kOthers;
  for (const auto& [name, graph] : bundle.graphs)
    if (graph.content.find(kChannelsLast) != std::string::npos)
      return graph.path + ": is made for a CPU; export with --ops custom --device cuda, or " + kOthers;
  return "";
}

}  // namespace

SessionOptions::SessionOptions(const OrtLibrary& library) : library_(library) {
  library.check(library.api().CreateSessionOptions(&options_));
}

void SessionOptions::set(const char* key, const char* value) {
  library_.check(library_.api().AddSessionConfigEntry(options_, key, value));
}

void SessionOptions::threads(int count) {
  library_.check(library_.api().SetIntraOpNumThreads(options_, count));
  library_.check(library_.api().SetInterOpNumThreads(options_, 1));
}

void SessionOptions::add_cuda(const CudaOptions& asked) {
  const OrtApi& api = library_.api();
  library_.check(api.SetDeterministicCompute(options_, true));  // sums in a fixed order; on a CPU they always are
  OrtCUDAProviderOptionsV2* cuda = nullptr;
  library_.check(api.CreateCUDAProviderOptions(&cuda));
  const char* const keys[] = {"use_tf32", "cudnn_conv_algo_search", "enable_cuda_graph"};
  const char* const values[] = {asked.tf32 ? "1" : "0", "HEURISTIC", "1"};
  std::string said;
  bool taken = library_.well(api.UpdateCUDAProviderOptions(cuda, keys, values, asked.captured ? 3 : 2), &said);
  if (taken && asked.stream)
    taken = library_.well(api.UpdateCUDAProviderOptionsWithValue(cuda, "user_compute_stream", asked.stream), &said);
  taken = taken && library_.well(api.SessionOptionsAppendExecutionProvider_CUDA_V2(options_, cuda), &said);
  api.ReleaseCUDAProviderOptions(cuda);
  if (!taken) throw OrtError{said};
}

bool choose_cuda(const OrtLibrary& library, const Bundle& bundle, const NetworkOptions& options) {
  if (options.device == Device::kCpu) return false;
  const auto providers = library.providers();
  if (options.device == Device::kAuto && !std::count(providers.begin(), providers.end(), kCudaProvider)) return false;
  const std::string fault = cuda_fault(library, bundle, options);
  if (fault.empty()) return true;
  if (options.device == Device::kCuda) throw InputError("device 'cuda': " + fault + "; or take device 'cpu'");
  if (options.say) options.say("the CPU runs the network, CUDA cannot: " + fault);
  return false;
}

void add_operators(const OrtLibrary& library, const Bundle& bundle, const NetworkOptions& options,
                   const SessionOptions& settings) {
  for (const auto& [domain, version] : bundle.operators)
    if (domain != kDomain)
      throw InputError(bundle.folder + ": needs operators " + repr_of(domain) + ", which this version does not know");
  const auto needed = bundle.operators.find(kDomain);
  if (needed == bundle.operators.end()) return;
  if (needed->second != mapt_operator_version())
    throw InputError(bundle.folder + ": needs the operators mapt " + std::to_string(needed->second) +
                     ", this library has mapt " + std::to_string(mapt_operator_version()) +
                     "; export the bundle with this version");
  std::string said;
  const bool taken =
      options.operators.empty()
          ? library.well(RegisterCustomOps(settings.get(), library.base()), &said)
          : library.well(library.api().RegisterCustomOpsLibrary_V2(settings.get(), options.operators.c_str()), &said);
  if (!taken) throw InputError(options.operators + ": ONNX Runtime does not take the operators (" + said + ")");
}

}  // namespace mapt
