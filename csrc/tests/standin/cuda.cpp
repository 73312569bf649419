// The driver's functions; see cuda.h.
#include "tests/standin/cuda.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "tests/standin/gpu.h"

using namespace standin;

namespace {

constexpr int kMajor = 75, kMinor = 76;  // CUdevice_attribute

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
};

void copy(void* what) {
  const auto* copy = static_cast<const Copy*>(what);
  std::memcpy(copy->to, copy->from, copy->bytes);
}

Result queue_copy(Stream* stream, const Copy& what, bool pinned) {
  if (stream->capturing) return kNotPermitted;
  stream->jobs.push_back({"", copy, std::make_shared<Copy>(what)});
  if (!pinned) flush(*stream);  // CUDA waits itself where memory is not page-locked
  return 0;
}

}  // namespace

DRIVER Result cuInit(unsigned) { return fault("cuInit", false); }

DRIVER Result cuDeviceGetCount(int* count) {
  *count = 1;
  return fault("cuDeviceGetCount", false);
}

DRIVER Result cuDeviceGetAttribute(int* value, int attribute, int) {
  const char* told = std::getenv("MAPT_STANDIN_GPU");
  const int capability = told ? std::atoi(told) : 86;
  if (attribute != kMajor && attribute != kMinor) return kInvalidValue;
  *value = attribute == kMajor ? capability / 10 : capability % 10;
  return fault("cuDeviceGetAttribute", false);
}

DRIVER Result cuGetErrorString(Result result, const char** text) {
  *text = result == kInvalidContext ? "invalid device context"
          : result == kNotPermitted ? "operation not permitted when stream is capturing"
                                    : "out of memory";
  return 0;
}

DRIVER Result cuDevicePrimaryCtxRetain(void** context, int) {
  *context = &gpu();
  return fault("cuDevicePrimaryCtxRetain", false);
}

DRIVER Result cuDevicePrimaryCtxRelease_v2(int) { return 0; }

DRIVER Result cuCtxPushCurrent_v2(void* context) {
  if (context != &gpu()) return kInvalidContext;
  ++contexts();
  return 0;
}

DRIVER Result cuCtxPopCurrent_v2(void** context) {
  if (contexts() == 0) return kInvalidContext;
  --contexts();
  *context = &gpu();
  return 0;
}

DRIVER Result cuMemAlloc_v2(std::uintptr_t* address, std::size_t bytes) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuMemAlloc_v2")) return wrong;
  if (!gpu().memory) {
    void* room = mmap(nullptr, kRoom, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) std::abort();
    gpu().memory = static_cast<char*>(room);
  }
  char* found = gpu().memory + gpu().used;
  gpu().used += (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
  if (gpu().used > kRoom) std::abort();
  const Touch touch;
  std::memset(found, 0xEE, bytes);
  *address = reinterpret_cast<std::uintptr_t>(found);
  gpu().device[*address] = bytes;
  note("allocate");
  return 0;
}

DRIVER Result cuMemFree_v2(std::uintptr_t address) {
  const Held held(gpu().lock);
  return gpu().device.erase(address) ? fault("cuMemFree_v2") : kInvalidValue;
}

DRIVER Result cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuMemHostAlloc")) return wrong;
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xEE, bytes);
  gpu().host[reinterpret_cast<std::uintptr_t>(*memory)] = bytes;
  note("allocate");
  return 0;
}

DRIVER Result cuMemFreeHost(void* memory) {
  const Held held(gpu().lock);
  if (!gpu().host.erase(reinterpret_cast<std::uintptr_t>(memory))) return kInvalidValue;
  std::free(memory);
  return fault("cuMemFreeHost");
}

DRIVER Result cuMemcpyHtoDAsync_v2(std::uintptr_t to, const void* from, std::size_t bytes, Stream* stream) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuMemcpyHtoDAsync_v2")) return wrong;
  void* address = reinterpret_cast<void*>(to);
  if (!within(gpu().device, address, bytes)) return kInvalidValue;
  note("upload " + std::to_string(bytes));
  return queue_copy(stream, {address, from, bytes}, within(gpu().host, from, bytes));
}

DRIVER Result cuMemcpyDtoHAsync_v2(void* to, std::uintptr_t from, std::size_t bytes, Stream* stream) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuMemcpyDtoHAsync_v2")) return wrong;
  const void* address = reinterpret_cast<const void*>(from);
  if (!within(gpu().device, address, bytes)) return kInvalidValue;
  note("download " + std::to_string(bytes));
  return queue_copy(stream, {to, address, bytes}, within(gpu().host, to, bytes));
}

DRIVER Result cuMemsetD8Async(std::uintptr_t address, unsigned char value, std::size_t bytes, Stream* stream) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuMemsetD8Async")) return wrong;
  const std::vector<char> values(bytes, static_cast<char>(value));
  return queue_copy(stream, {reinterpret_cast<void*>(address), values.data(), bytes}, false);
}

DRIVER Result cuStreamCreate(Stream** stream, unsigned flags) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuStreamCreate")) return wrong;
  if (flags != 1) return kInvalidValue;  // it must not wait for other streams
  auto made = std::make_unique<Stream>();
  *stream = made.get();
  gpu().streams[*stream] = std::move(made);
  return 0;
}

DRIVER Result cuStreamDestroy_v2(Stream* stream) {
  const Held held(gpu().lock);
  return gpu().streams.erase(stream) ? fault("cuStreamDestroy_v2") : kInvalidValue;
}

DRIVER Result cuStreamSynchronize(Stream* stream) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuStreamSynchronize")) return wrong;
  if (stream->capturing) return kNotPermitted;
  note("wait");
  flush(*stream);
  return 0;
}

DRIVER Result cuStreamBeginCapture_v2(Stream* stream, int) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuStreamBeginCapture_v2")) return wrong;
  if (stream->capturing || !stream->jobs.empty()) return kNotPermitted;
  stream->capturing = true;
  note("capture");
  return 0;
}

DRIVER Result cuStreamEndCapture(Stream* stream, Graph** graph) {
  const Held held(gpu().lock);
  if (!stream->capturing) return kNotPermitted;
  stream->capturing = false;
  auto made = std::make_unique<Graph>();
  made->jobs.swap(stream->jobs);
  *graph = made.get();
  if (const Result wrong = fault("cuStreamEndCapture")) return wrong;
  gpu().graphs[*graph] = std::move(made);
  return 0;
}

DRIVER Result cuGraphInstantiateWithFlags(Graph** ready, Graph* graph, unsigned long long) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuGraphInstantiateWithFlags")) return wrong;
  auto made = std::make_unique<Graph>(*graph);
  *ready = made.get();
  gpu().graphs[*ready] = std::move(made);
  return 0;
}

DRIVER Result cuGraphLaunch(Graph* graph, Stream* stream) {
  const Held held(gpu().lock);
  if (const Result wrong = fault("cuGraphLaunch")) return wrong;
  if (stream->capturing) return kNotPermitted;
  for (const Job& job : graph->jobs) {
    note("replay " + job.name);
    stream->jobs.push_back(job);
  }
  return 0;
}

DRIVER Result cuGraphDestroy(Graph* graph) {
  const Held held(gpu().lock);
  return gpu().graphs.erase(graph) ? fault("cuGraphDestroy") : kInvalidValue;
}

DRIVER Result cuGraphExecDestroy(Graph* graph) { return cuGraphDestroy(graph); }
