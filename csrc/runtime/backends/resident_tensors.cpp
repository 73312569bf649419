#include "runtime/backends/resident_tensors.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace mapt {

namespace {

bool same(const char* a, const char* b) { return std::strcmp(a, b) == 0; }

// The place of a tensor among those of a subgraph; -1: it has none of that name.
int place(const TensorSpec* tensors, int count, const char* name) noexcept {
  for (int i = 0; i < count; ++i)
    if (same(tensors[i].name, name)) return i;
  return -1;
}

// Tensors of which there are several: one a frame, or one a call.
constexpr const char* kSeveral[] = {"s_prev", "s", "masks_prev", "rows", "propagated", "f_p", "embeddings"};

bool is_several(const char* name) {
  return std::any_of(std::begin(kSeveral), std::end(kSeveral), [&](const char* known) { return same(known, name); });
}

const TensorSpec& spec_named(const TensorSpec* tensors, int count, const char* name) {
  return tensors[std::max(0, place(tensors, count, name))];
}

const TensorSpec& input_spec(Subgraph subgraph, const char* name) {
  return spec_named(spec_of(subgraph).inputs, spec_of(subgraph).input_count, name);
}

const TensorSpec& output_spec(Subgraph subgraph, const char* name) {
  return spec_named(spec_of(subgraph).outputs, spec_of(subgraph).output_count, name);
}

}  // namespace

ResidentTensors::ResidentTensors(DeviceMemory& memory, const ModelInfo& info) : memory_(memory), sizes_(info.sizes) {
  for (const SubgraphSpec& spec : kSubgraphs) {
    lay_out(spec, true);
    lay_out(spec, false);
  }
  const TensorSpec& s = output_spec(Subgraph::kSemantic, "s");
  for (int slot = 0; slot < kFeatureSlots; ++slot) features_.emplace_back(memory_, s, sizes_, s.host);
  while (static_cast<int>(calls_.size()) * sizes_.N < sizes_.D) lay_out_call();
  fill_features(1);
  bind_motion(calls_[0], 0, 1);
  bind_appearance(calls_[0]);
}

const Tensor& ResidentTensors::named(const TensorSpec& spec) {
  const Shape shape = resolve(spec, sizes_);
  for (const Named& known : named_)
    if (same(known.name, spec.name) && known.shape == shape) return known.tensor;
  const bool staged = spec.host || same(spec.name, "logits");
  named_.push_back({spec.name, shape, Tensor(memory_, spec, sizes_, staged)});
  return named_.back().tensor;
}

// Outputs come before the inputs that they are, because subgraphs stand in the order in which they run.
void ResidentTensors::lay_out(const SubgraphSpec& spec, bool inputs) {
  const auto number = static_cast<std::size_t>(&spec - kSubgraphs);
  const TensorSpec* tensors = inputs ? spec.inputs : spec.outputs;
  for (int i = 0; i < (inputs ? spec.input_count : spec.output_count); ++i) {
    if (is_several(tensors[i].name)) continue;
    const Tensor& tensor = named(tensors[i]);
    (inputs ? inputs_ : outputs_)[number][i] = &tensor;
    bind(static_cast<Subgraph>(number), tensors[i].name, tensor);
  }
}

void ResidentTensors::lay_out_call() {
  const auto make = [this](const TensorSpec& spec) { return Tensor(memory_, spec, sizes_, spec.host); };
  CallTensors call;
  call.masks_prev = make(input_spec(Subgraph::kMotion, "masks_prev"));
  call.motion_rows = make(input_spec(Subgraph::kMotion, "rows"));
  call.propagated = make(output_spec(Subgraph::kMotion, "propagated"));
  call.f_p = make(output_spec(Subgraph::kMotion, "f_p"));
  call.appearance_rows = make(input_spec(Subgraph::kAppearance, "rows"));
  call.embeddings = make(output_spec(Subgraph::kAppearance, "embeddings"));
  calls_.push_back(std::move(call));
}

const CallTensors& ResidentTensors::call(int number) {
  while (static_cast<std::size_t>(number) >= calls_.size()) lay_out_call();
  return calls_[static_cast<std::size_t>(number)];
}

const Tensor& ResidentTensors::input(Subgraph subgraph, const char* name) const noexcept {
  const SubgraphSpec& spec = spec_of(subgraph);
  return *inputs_[static_cast<int>(subgraph)][place(spec.inputs, spec.input_count, name)];
}

const Tensor& ResidentTensors::output(Subgraph subgraph, const char* name) const noexcept {
  const SubgraphSpec& spec = spec_of(subgraph);
  return *outputs_[static_cast<int>(subgraph)][place(spec.outputs, spec.output_count, name)];
}

void ResidentTensors::bind(Subgraph subgraph, const char* name, const Tensor& tensor) noexcept {
  const SubgraphSpec& spec = spec_of(subgraph);
  Addresses& known = addresses_[static_cast<int>(subgraph)];
  const int in = place(spec.inputs, spec.input_count, name);
  const int out = place(spec.outputs, spec.output_count, name);
  if (in >= 0) known.inputs[in] = tensor.address();
  if (out >= 0) known.outputs[out] = tensor.address();
}

void ResidentTensors::fill_features(int slot) noexcept { bind(Subgraph::kSemantic, "s", features(slot)); }

void ResidentTensors::bind_motion(const CallTensors& call, int before, int now) noexcept {
  bind(Subgraph::kMotion, "s_prev", features(before));
  bind(Subgraph::kMotion, "s", features(now));
  bind(Subgraph::kMotion, "masks_prev", call.masks_prev);
  bind(Subgraph::kMotion, "rows", call.motion_rows);
  bind(Subgraph::kMotion, "propagated", call.propagated);
  bind(Subgraph::kMotion, "f_p", call.f_p);
}

void ResidentTensors::bind_appearance(const CallTensors& call) noexcept {
  bind(Subgraph::kAppearance, "rows", call.appearance_rows);
  bind(Subgraph::kAppearance, "f_p", call.f_p);
  bind(Subgraph::kAppearance, "embeddings", call.embeddings);
}

}  // namespace mapt
