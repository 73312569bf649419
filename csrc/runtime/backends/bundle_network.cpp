#include "runtime/backends/bundle_network.h"

#include <cstring>

namespace mapt {

namespace {

// Fills an input of the host and queues its way to the device.
template <class T>
Status give(const Tensor& tensor, const T* values) noexcept {
  std::memcpy(tensor.data<T>(), values, tensor.byte_count());
  return tensor.upload();
}

}  // namespace

BundleNetwork::BundleNetwork(std::unique_ptr<SubgraphRunner> runner, const ModelInfo& info)
    : runner_(std::move(runner)), info_(info), tensors_(runner_->memory(), info) {
  runner_->rehearse(tensors_.all_addresses());
  runner_->memory().begin_counting();
}

Status BundleNetwork::run(Subgraph subgraph) noexcept { return runner_->run(subgraph, tensors_.addresses(subgraph)); }

// Queues the way to the host of what it reads in every frame.
Status BundleNetwork::download(Subgraph subgraph) noexcept {
  const SubgraphSpec& spec = spec_of(subgraph);
  Status status;
  for (int i = 0; i < spec.output_count && status.ok(); ++i)
    if (spec.outputs[i].host) status = tensors_.output(subgraph, spec.outputs[i].name).download();
  return status;
}

// Values on a device are checked when the host reads them, if ever.
Status BundleNetwork::check(Subgraph subgraph, const char* name, const Tensor& tensor) const noexcept {
  if (!runner_->memory().on_host() || is_finite(tensor.data<float>(), tensor.size())) return {};
  return Status::of(Code::kOutput, "%s: %s holds NaN or infinity; frame dropped", spec_of(subgraph).name, name);
}

Status BundleNetwork::call(int number, const CallTensors** tensors) noexcept {
  try {
    *tensors = &tensors_.call(number);
    return {};
  } catch (const DeviceError& error) {
    return Status::of(Code::kStep, "there is no memory for another call of the heads (%.300s); frame dropped",
                      error.text.c_str());
  } catch (const std::exception&) {
    return Status::of(Code::kStep, "there is no memory for another call of the heads; frame dropped");
  }
}

Status BundleNetwork::prepare(const Image& image, const Letterbox& letterbox, const uint8_t** pixels) noexcept {
  auto* pixels_in = tensors_.input(Subgraph::kBackbone, "image").data<std::uint8_t>();
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

Status BundleNetwork::backbone() noexcept {
  Status status = tensors_.input(Subgraph::kBackbone, "image").upload();
  if (status.ok()) status = run(Subgraph::kBackbone);
  for (const TensorSpec& spec : kBackboneOutputs)
    if (status.ok()) status = check(Subgraph::kBackbone, spec.name, tensors_.output(Subgraph::kBackbone, spec.name));
  return status;
}

Status BundleNetwork::semantic(int features, Perception* seen) noexcept {
  tensors_.fill_features(features);
  Status status = run(Subgraph::kSemantic);
  if (status.ok()) status = check(Subgraph::kSemantic, "s", tensors_.features(features));
  if (status.ok()) status = check(Subgraph::kSemantic, "logits", tensors_.output(Subgraph::kSemantic, "logits"));
  if (status.ok()) status = download(Subgraph::kSemantic);
  seen->labels = tensors_.output(Subgraph::kSemantic, "labels").data<std::uint8_t>();
  seen->margins = tensors_.output(Subgraph::kSemantic, "margins").data<float>();
  return status;
}

Status BundleNetwork::instance(Perception* seen) noexcept {
  Status status = run(Subgraph::kInstance);
  if (status.ok()) status = download(Subgraph::kInstance);
  const auto found = [this](const char* name) -> const Tensor& { return tensors_.output(Subgraph::kInstance, name); };
  seen->boxes = found("boxes").data<float>();
  seen->scores = found("scores").data<float>();
  seen->classes = found("classes").data<std::int32_t>();
  seen->mask_logits = found("mask_logits").data<float>();
  seen->masks8 = found("masks8").data<float>();
  return status.ok() ? check(Subgraph::kInstance, "masks8", found("masks8")) : status;
}

Status BundleNetwork::wait(Perception* seen) noexcept {
  const Status status = runner_->memory().wait();
  if (seen && status.ok()) seen->count = *tensors_.output(Subgraph::kInstance, "count").data<std::int32_t>();
  return status;
}

Status BundleNetwork::logits(const LogitRows& wanted, const float** planes) noexcept {
  const Tensor& all = tensors_.output(Subgraph::kSemantic, "logits");
  *planes = all.data<float>();
  if (runner_->memory().on_host()) return {};
  const std::size_t row = sizeof(float) * static_cast<std::size_t>(info_.width() / kStride);
  const int height = info_.height() / kStride;
  Status status;
  for (std::int32_t i = 0; i < wanted.count; ++i) {
    const auto plane = static_cast<std::size_t>(wanted.classes[i]) * static_cast<std::size_t>(height);
    for (int end = 0, first = 0; first < height; first = end + 1) {  // rows that follow one another are copied at once
      while (first < height && !wanted.rows[first]) ++first;
      for (end = first; end < height && wanted.rows[end];) ++end;
      if (end > first && status.ok())
        status =
            all.download((plane + static_cast<std::size_t>(first)) * row, static_cast<std::size_t>(end - first) * row);
    }
  }
  return status.ok() ? runner_->memory().wait() : status;
}

Status BundleNetwork::motion(const MotionCall& asked, const float** propagated) noexcept {
  const CallTensors* tensors = nullptr;
  Status status = call(asked.chunk, &tensors);
  if (!status.ok()) return status;
  tensors_.bind_motion(*tensors, asked.before, asked.now);
  status = give(tensors->masks_prev, asked.masks_prev);
  if (status.ok()) status = give(tensors->motion_rows, asked.rows);
  if (status.ok()) status = run(Subgraph::kMotion);
  if (status.ok()) status = check(Subgraph::kMotion, "f_p", tensors->f_p);
  *propagated = tensors->propagated.data<float>();
  return status.ok() ? tensors->propagated.download() : status;
}

Status BundleNetwork::appearance(const AppearanceCall& asked, const float** embeddings) noexcept {
  const CallTensors* tensors = nullptr;
  Status status = call(asked.chunk, &tensors);
  if (!status.ok()) return status;
  tensors_.bind_appearance(*tensors);
  status = give(tensors->appearance_rows, asked.rows);
  if (status.ok()) status = run(Subgraph::kAppearance);
  *embeddings = tensors->embeddings.data<float>();
  return status.ok() ? tensors->embeddings.download() : status;
}

Status BundleNetwork::read_features(int slot, float* out) noexcept {
  const Tensor& s = tensors_.features(slot);
  return runner_->memory().read(out, s.address(), s.byte_count());
}

Status BundleNetwork::write_features(int slot, const float* in) noexcept {
  const Tensor& s = tensors_.features(slot);
  return runner_->memory().write(s.address(), in, s.byte_count());
}

}  // namespace mapt
