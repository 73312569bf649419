#include "runtime/backends/ort_network.h"

#include <algorithm>
#include <cstring>

#include "runtime/backends/self_test.h"

namespace mapt {

namespace {

bool same(const char* a, const char* b) { return std::strcmp(a, b) == 0; }

const SubgraphSpec& spec_of(Subgraph subgraph) { return kSubgraphs[static_cast<int>(subgraph)]; }

// The place of a tensor among those of a subgraph, which has it.
int place(const TensorSpec* tensors, int count, const char* name) noexcept {
  for (int i = 0; i < count; ++i)
    if (same(tensors[i].name, name)) return i;
  return 0;
}

int input_place(Subgraph subgraph, const char* name) noexcept {
  return place(spec_of(subgraph).inputs, spec_of(subgraph).input_count, name);
}

int output_place(Subgraph subgraph, const char* name) noexcept {
  return place(spec_of(subgraph).outputs, spec_of(subgraph).output_count, name);
}

}  // namespace

OrtNetwork::OrtNetwork(std::shared_ptr<const OrtLibrary> library, const Bundle& bundle, const NetworkOptions& options)
    : info_(bundle.info), sessions_(std::move(library), bundle, options) {
  if (options.test && bundle.golden)
    self_test(sessions_, bundle, options.tf32);
  else
    run_blank(sessions_, bundle);
  lay_out();
}

Tensor& OrtNetwork::named(const TensorSpec& spec) {
  const Shape shape = resolve(spec, info_.sizes);
  for (Named& known : tensors_)
    if (same(known.name, spec.name) && known.shape == shape) return known.tensor;
  tensors_.push_back({spec.name, shape, Tensor(sessions_.library(), spec, shape)});
  return tensors_.back().tensor;
}

void OrtNetwork::lay_out() {
  const auto bind = [this](const TensorSpec* tensors, int count, Bound& bound) {
    for (int i = 0; i < count; ++i) {
      bound.tensors.push_back(&named(tensors[i]));
      bound.values.push_back(bound.tensors.back()->value());
    }
  };
  for (int i = 0; i < kSubgraphCount; ++i) {
    bind(kSubgraphs[i].inputs, kSubgraphs[i].input_count, inputs_[i]);
    bind(kSubgraphs[i].outputs, kSubgraphs[i].output_count, outputs_[i]);
  }
  const TensorSpec& s = kSemanticOutputs[output_place(Subgraph::kSemantic, "s")];
  const TensorSpec& f_p = kMotionOutputs[output_place(Subgraph::kMotion, "f_p")];
  const int chunks = (info_.sizes.D + info_.sizes.N - 1) / info_.sizes.N;
  for (int slot = 0; slot < kFeatureSlots; ++slot)
    features_.emplace_back(sessions_.library(), s, resolve(s, info_.sizes));
  for (int chunk = 0; chunk < chunks; ++chunk)
    propagated_.emplace_back(sessions_.library(), f_p, resolve(f_p, info_.sizes));
}

Tensor* OrtNetwork::input(Subgraph subgraph, const char* name) noexcept {
  return inputs_[static_cast<int>(subgraph)].tensors[static_cast<std::size_t>(input_place(subgraph, name))];
}

Tensor* OrtNetwork::output(Subgraph subgraph, const char* name) noexcept {
  return outputs_[static_cast<int>(subgraph)].tensors[static_cast<std::size_t>(output_place(subgraph, name))];
}

void OrtNetwork::bind_input(Subgraph subgraph, const char* name, const Tensor& tensor) noexcept {
  inputs_[static_cast<int>(subgraph)].values[static_cast<std::size_t>(input_place(subgraph, name))] = tensor.value();
}

void OrtNetwork::bind_output(Subgraph subgraph, const char* name, const Tensor& tensor) noexcept {
  outputs_[static_cast<int>(subgraph)].values[static_cast<std::size_t>(output_place(subgraph, name))] = tensor.value();
}

Status OrtNetwork::run(Subgraph subgraph) noexcept {
  const int i = static_cast<int>(subgraph);
  return sessions_.run(subgraph, inputs_[i].values.data(), outputs_[i].values.data());
}

Status OrtNetwork::check(Subgraph subgraph, const char* name, const Tensor& tensor) const noexcept {
  if (!tensor.on_host() || is_finite(tensor.data<float>(), tensor.size())) return {};
  return Status::of(Code::kOutput, "%s: %s holds NaN or infinity; frame dropped", spec_of(subgraph).name, name);
}

Status OrtNetwork::prepare(const Image& image, const Letterbox& letterbox, const uint8_t** pixels) noexcept {
  auto* pixels_in = input(Subgraph::kBackbone, "image")->data<std::uint8_t>();
  const std::int64_t row = 3 * std::int64_t{info_.width()};
  const std::int64_t inner = 3 * std::int64_t{letterbox.inner_width};
  *pixels = pixels_in;
  if (letterbox.inner_height == image.height && letterbox.inner_width == image.width) {
    for (std::int32_t y = 0; y < image.height; ++y)
      std::memcpy(pixels_in + row * y, image.data + image.stride * y, static_cast<std::size_t>(inner));
  } else {
    try {
      resize_.run(image.data, image.height, image.width, image.stride, pixels_in, letterbox.inner_height,
                  letterbox.inner_width, row);
    } catch (const std::exception&) {
      return Status::of(Code::kStep, "the image cannot be resized, there is no memory; frame dropped");
    }
  }
  for (std::int32_t y = 0; y < letterbox.inner_height && inner < row; ++y)
    std::memset(pixels_in + row * y + inner, 0, static_cast<std::size_t>(row - inner));
  std::memset(pixels_in + row * letterbox.inner_height, 0,
              static_cast<std::size_t>(row * (info_.height() - letterbox.inner_height)));
  return {};
}

Status OrtNetwork::backbone() noexcept {
  Status status = run(Subgraph::kBackbone);
  for (const TensorSpec& spec : kBackboneOutputs)
    if (status.ok()) status = check(Subgraph::kBackbone, spec.name, *output(Subgraph::kBackbone, spec.name));
  return status;
}

Status OrtNetwork::semantic(int features, Perception* seen) noexcept {
  const Tensor& s = features_[static_cast<std::size_t>(features)];
  bind_output(Subgraph::kSemantic, "s", s);
  Status status = run(Subgraph::kSemantic);
  if (status.ok()) status = check(Subgraph::kSemantic, "s", s);
  if (status.ok()) status = check(Subgraph::kSemantic, "logits", *output(Subgraph::kSemantic, "logits"));
  seen->labels = output(Subgraph::kSemantic, "labels")->data<std::uint8_t>();
  seen->margins = output(Subgraph::kSemantic, "margins")->data<float>();
  return status;
}

Status OrtNetwork::logits(const float** planes) noexcept {
  *planes = output(Subgraph::kSemantic, "logits")->data<float>();
  return {};
}

Status OrtNetwork::instance(Perception* seen) noexcept {
  const Status status = run(Subgraph::kInstance);
  if (!status.ok()) return status;
  const Tensor& masks8 = *output(Subgraph::kInstance, "masks8");
  seen->boxes = output(Subgraph::kInstance, "boxes")->data<float>();
  seen->scores = output(Subgraph::kInstance, "scores")->data<float>();
  seen->classes = output(Subgraph::kInstance, "classes")->data<std::int32_t>();
  seen->mask_logits = output(Subgraph::kInstance, "mask_logits")->data<float>();
  seen->masks8 = masks8.data<float>();
  seen->count = output(Subgraph::kInstance, "count")->data<std::int32_t>()[0];
  return check(Subgraph::kInstance, "masks8", masks8);
}

void OrtNetwork::select(Subgraph subgraph, const std::int32_t* rows) noexcept {
  const Tensor& given = *input(subgraph, "rows");
  std::memcpy(given.bytes(), rows, given.byte_count());
}

Status OrtNetwork::motion(const MotionCall& call, const float** propagated) noexcept {
  bind_input(Subgraph::kMotion, "s_prev", features_[static_cast<std::size_t>(call.before)]);
  bind_input(Subgraph::kMotion, "s", features_[static_cast<std::size_t>(call.now)]);
  const Tensor& masks = *input(Subgraph::kMotion, "masks_prev");
  std::memcpy(masks.bytes(), call.masks_prev, masks.byte_count());
  select(Subgraph::kMotion, call.rows);
  // Calls behind the last detections are about tracks alone, and nobody reads their features.
  const Tensor& f_p = propagated_[std::min(static_cast<std::size_t>(call.chunk), propagated_.size() - 1)];
  const Tensor& features = call.detections > 0 ? f_p : *output(Subgraph::kMotion, "f_p");
  bind_output(Subgraph::kMotion, "f_p", features);
  Status status = run(Subgraph::kMotion);
  if (status.ok()) status = check(Subgraph::kMotion, "f_p", features);
  *propagated = output(Subgraph::kMotion, "propagated")->data<float>();
  return status;
}

Status OrtNetwork::appearance(const AppearanceCall& call, const float** embeddings) noexcept {
  bind_input(Subgraph::kAppearance, "f_p", propagated_[static_cast<std::size_t>(call.chunk)]);
  select(Subgraph::kAppearance, call.rows);
  const Status status = run(Subgraph::kAppearance);
  *embeddings = output(Subgraph::kAppearance, "embeddings")->data<float>();
  return status;
}

Status OrtNetwork::read_features(int slot, float* out) noexcept {
  const Tensor& s = features_[static_cast<std::size_t>(slot)];
  std::memcpy(out, s.bytes(), s.byte_count());
  return {};
}

Status OrtNetwork::write_features(int slot, const float* in) noexcept {
  const Tensor& s = features_[static_cast<std::size_t>(slot)];
  std::memcpy(s.bytes(), in, s.byte_count());
  return {};
}

}  // namespace mapt
