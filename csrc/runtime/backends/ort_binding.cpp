#include "runtime/backends/ort_binding.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace mapt {

namespace {

constexpr std::size_t kMostGraphs = 16;  // of a subgraph: each holds memory, and a few serve all frames

}  // namespace

ONNXTensorElementDataType element_type(const TensorSpec& spec) {
  const Element element = element_of(spec);
  if (element == Element::kUint8) return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
  return element == Element::kInt32 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

BoundSession::BoundSession(const OrtLibrary& library, SharedSession session, Subgraph subgraph, const Sizes& sizes,
                           const OrtMemoryInfo* place, OrtRuns runs)
    : library_(library), session_(std::move(session)), spec_(spec_of(subgraph)), place_(place), runs_(runs) {
  try {
    for (int i = 0; i < spec_.input_count; ++i)
      places_.push_back({spec_.inputs + i, resolve(spec_.inputs[i], sizes), true});
    for (int i = 0; i < spec_.output_count; ++i)
      places_.push_back({spec_.outputs + i, resolve(spec_.outputs[i], sizes), false});
    library_.check(library_.api().CreateIoBinding(session_.get(), &binding_));
    add_options("-1");
    for (std::size_t i = 1; captured() && i <= kMostGraphs; ++i) add_options(std::to_string(i).c_str());
    graphs_.reserve(kMostGraphs);
  } catch (...) {
    release();
    throw;
  }
}

BoundSession::~BoundSession() { release(); }

void BoundSession::release() noexcept {
  const OrtApi& api = library_.api();
  for (OrtRunOptions* options : options_) api.ReleaseRunOptions(options);
  if (binding_) api.ReleaseIoBinding(binding_);
}

void BoundSession::add_options(const char* graph) {
  const OrtApi& api = library_.api();
  options_.push_back(nullptr);
  library_.check(api.CreateRunOptions(&options_.back()));
  if (runs_ != OrtRuns::kWaiting)
    library_.check(api.AddRunConfigEntry(options_.back(), "disable_synchronize_execution_providers", "1"));
  if (captured()) library_.check(api.AddRunConfigEntry(options_.back(), "gpu_graph_id", graph));
}

OrtStatus* BoundSession::bind(Place& place, void* address) noexcept {
  const OrtApi& api = library_.api();
  OrtValue* value = nullptr;
  const std::size_t bytes = bytes_of(*place.spec, place.shape);
  OrtStatus* failed = api.CreateTensorWithDataAsOrtValue(place_, address, bytes, place.shape.data(), place.shape.size(),
                                                         element_type(*place.spec), &value);
  if (!failed)
    failed = place.input ? api.BindInput(binding_, place.spec->name, value)
                         : api.BindOutput(binding_, place.spec->name, value);
  if (value) api.ReleaseValue(value);  // the binding holds it
  place.bound = failed ? nullptr : address;
  return failed;
}

// Which graph serves these addresses; the first run with a new one captures it.
const OrtRunOptions* BoundSession::options_for(const Addresses& addresses) noexcept {
  if (!captured()) return options_[0];
  const auto known = std::find_if(graphs_.begin(), graphs_.end(), [&](const Addresses& graph) {
    return std::memcmp(&graph, &addresses, sizeof graph) == 0;
  });
  if (known != graphs_.end()) return options_[static_cast<std::size_t>(known - graphs_.begin()) + 1];
  if (graphs_.size() == kMostGraphs) return options_[0];
  graphs_.push_back(addresses);
  return options_[graphs_.size()];
}

Status BoundSession::run(const Addresses& addresses) noexcept {
  const OrtApi& api = library_.api();
  OrtStatus* failed = nullptr;
  for (std::size_t i = 0; i < places_.size() && !failed; ++i) {
    const bool input = places_[i].input;
    const std::size_t at = input ? i : i - static_cast<std::size_t>(spec_.input_count);
    void* address = input ? addresses.inputs[at] : addresses.outputs[at];
    if (places_[i].bound != address) failed = bind(places_[i], address);
  }
  if (!failed) failed = api.RunWithBinding(session_.get(), options_for(addresses), binding_);
  if (!failed) return {};
  const Status status =
      Status::of(Code::kBackend, "%s: ONNX Runtime: %.400s; frame dropped", spec_.name, api.GetErrorMessage(failed));
  api.ReleaseStatus(failed);
  return status;
}

}  // namespace mapt
