#include "runtime/backends/self_test.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <vector>

#include "runtime/bundle/errors.h"
#include "runtime/bundle/golden.h"
#include "runtime/bundle/values.h"

namespace mapt {

namespace {

constexpr std::int64_t kSamples = 4096;  // values kept of each tensor
// What the heads behind the detections are given, so that two nearly equal scores may change places.
// The file holds N rows of each.
constexpr const char* kGiven[] = {"boxes", "mask_logits", "masks8"};
// Of the instance head's outputs those that do not follow the order of detections.
constexpr const char* kOrdered[] = {"scores", "count"};

template <std::size_t Count>
bool is_among(const char* name, const char* const (&names)[Count]) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](const char* known) { return std::strcmp(known, name) == 0; });
}

bool is_sampled(const SubgraphSpec& spec, const TensorSpec& output) {
  return std::strcmp(spec.name, "instance") != 0 || is_among(output.name, kOrdered);
}

// Largest difference as a share of a tensor's largest value: kernels differ from processor to processor.
double tolerance(const std::string& precision) {
  if (precision == "int8") return 0.15;
  return precision == "fp32" ? 2e-3 : 3e-2;
}

std::int64_t step_of(std::int64_t size) { return std::max<std::int64_t>(1, size / kSamples); }
std::int64_t kept_of(std::int64_t size) {
  const std::int64_t step = step_of(size);
  return std::min(kSamples, (size + step - 1) / step);
}

ArrayLayouts layout(const ModelInfo& info) {
  ArrayLayouts arrays;
  arrays["image"] = {"uint8", resolve(kBackboneInputs[0], info.sizes)};
  for (const TensorSpec& output : kInstanceOutputs) {
    Shape shape = resolve(output, info.sizes);
    shape[0] = info.sizes.N;
    if (is_among(output.name, kGiven)) arrays[output.name] = {output.dtype, shape};
  }
  for (const SubgraphSpec& spec : kSubgraphs) {
    for (int i = 0; i < spec.output_count; ++i)
      if (is_sampled(spec, spec.outputs[i]))
        arrays[std::string(spec.name) + "." + spec.outputs[i].name] = {
            spec.outputs[i].dtype, {kept_of(size_of(resolve(spec.outputs[i], info.sizes)))}};
  }
  return arrays;
}

template <class T>
double share_of_differing(const T* want, const T* got, std::int64_t count, std::int64_t step) {
  std::int64_t differing = 0;
  for (std::int64_t i = 0; i < count; ++i) differing += want[i] != got[i * step];
  return static_cast<double>(differing) / static_cast<double>(std::max<std::int64_t>(1, count));
}

double largest_difference(const float* want, const float* got, std::int64_t count, std::int64_t step) {
  double scale = 0, most = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double wanted = want[i], found = got[i * step];
    if (!std::isfinite(wanted) || !std::isfinite(found)) return HUGE_VAL;
    scale = std::max(scale, std::fabs(wanted));
    most = std::max(most, std::fabs(wanted - found));
  }
  return most / (scale > 0 ? scale : 1.0);
}

double difference(const std::string& want, const TensorSpec& spec, const Tensor& got) {
  const std::int64_t count = kept_of(got.size()), step = step_of(got.size());
  if (element_type(spec) == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8)
    return share_of_differing(reinterpret_cast<const std::uint8_t*>(want.data()), got.data<std::uint8_t>(), count,
                              step);
  if (element_type(spec) == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32)
    return share_of_differing(reinterpret_cast<const std::int32_t*>(want.data()), got.data<std::int32_t>(), count,
                              step);
  return largest_difference(reinterpret_cast<const float*>(want.data()), got.data<float>(), count, step);
}

// Tensors by name, on the host; a later one of the same name replaces an earlier one.
using Known = std::map<std::string, Tensor>;

Status run_on(const OrtSessions& sessions, const Sizes& sizes, int subgraph, Known& known) {
  const SubgraphSpec& spec = kSubgraphs[subgraph];
  std::vector<const OrtValue*> inputs;
  for (int i = 0; i < spec.input_count; ++i) {
    Tensor& tensor = known[spec.inputs[i].name];
    if (!tensor.value()) tensor = Tensor(sessions.library(), spec.inputs[i], resolve(spec.inputs[i], sizes));
    inputs.push_back(tensor.value());
  }
  std::vector<Tensor> made;
  std::vector<OrtValue*> outputs;
  for (int i = 0; i < spec.output_count; ++i) {
    made.emplace_back(sessions.library(), spec.outputs[i], resolve(spec.outputs[i], sizes));
    outputs.push_back(made.back().value());
  }
  const Status status = sessions.run(static_cast<Subgraph>(subgraph), inputs.data(), outputs.data());
  for (int i = 0; i < spec.output_count; ++i) known[spec.outputs[i].name] = std::move(made[i]);
  return status;
}

void copy_into(Tensor& tensor, const std::string& bytes) {
  std::memcpy(tensor.bytes(), bytes.data(), std::min(bytes.size(), tensor.byte_count()));
}

// The features of the frame before: these, shifted by a column.
Tensor shifted(const OrtLibrary& library, const Tensor& s, const Sizes& sizes) {
  Tensor out(library, kMotionInputs[0], resolve(kMotionInputs[0], sizes));
  const std::int64_t width = sizes.W / 8;
  for (std::int64_t row = 0; row < s.size() / width; ++row)
    for (std::int64_t x = 0; x < width; ++x)
      out.data<float>()[row * width + (x + 1) % width] = s.data<float>()[row * width + x];
  return out;
}

// What the heads behind the detections read beside the pyramid and `s`: the given rows in the first slots, which are
// also the tracks of the frame before.
void give(const OrtSessions& sessions, const ModelInfo& info, const Arrays& arrays, Known& known) {
  for (const TensorSpec& output : kInstanceOutputs) {
    if (!is_among(output.name, kGiven)) continue;
    known[output.name] = Tensor(sessions.library(), output, resolve(output, info.sizes));
    copy_into(known[output.name], arrays.at(output.name));
  }
  for (const TensorSpec& input : kMotionInputs) {
    const bool rows = std::strcmp(input.name, "rows") == 0;
    if (!rows && std::strcmp(input.name, "masks_prev") != 0) continue;
    known[input.name] = Tensor(sessions.library(), input, resolve(input, info.sizes));
    if (!rows) copy_into(known[input.name], arrays.at("masks8"));
    for (std::int32_t row = 0; rows && row < info.sizes.N; ++row)
      known[input.name].data<std::int32_t>()[row] = row < info.sizes.D ? row : -1;
  }
  known["s_prev"] = shifted(sessions.library(), known["s"], info.sizes);
}

struct Worst {
  std::string name, subgraph;
  double difference = -1;
};

// Compares the outputs of a subgraph that has just run.
void compare(const SubgraphSpec& spec, const Arrays& wanted, const Known& known, Worst& worst) {
  for (int i = 0; i < spec.output_count; ++i) {
    const TensorSpec& output = spec.outputs[i];
    if (!is_sampled(spec, output)) continue;
    const std::string name = std::string(spec.name) + "." + output.name;
    const double found = difference(wanted.at(name), output, known.at(output.name));
    if (found > worst.difference) worst = {name, spec.name, found};
  }
}

std::string text_of(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

void self_test(const OrtSessions& sessions, const Bundle& bundle, bool tf32) {
  const std::string& path = bundle.golden->path;
  Arrays arrays;
  try {
    arrays = read_arrays(bundle.golden->content, layout(bundle.info));
  } catch (const ValueError& error) {
    throw InputError(path + ": cannot be compared (" + error.what() + "); export the bundle again");
  }
  Known known;
  known["image"] = Tensor(sessions.library(), kBackboneInputs[0], resolve(kBackboneInputs[0], bundle.info.sizes));
  copy_into(known["image"], arrays.at("image"));
  Worst worst;
  for (int i = 0; i < kSubgraphCount; ++i) {
    if (i == static_cast<int>(Subgraph::kMotion)) give(sessions, bundle.info, arrays, known);
    const Status status = run_on(sessions, bundle.info.sizes, i, known);
    if (!status.ok())
      throw InputError(std::string("the golden picture's ") + kSubgraphNames[i] + " fails, run by " +
                       sessions.provider() + " (" + status.text + "); try another device or backend");
    compare(kSubgraphs[i], arrays, known, worst);
  }
  double limit = sessions.on_cuda() && tf32 ? tolerance("tf32") : 0;
  for (const auto& [name, precision] : bundle.precisions) limit = std::max(limit, tolerance(precision));
  if (!(worst.difference <= limit))
    throw InputError(path + ": " + worst.name + " differs by " + text_of("%.1e", worst.difference) +
                     " of its largest value from what the bundle gave when it was exported, more than " +
                     text_of("%g", limit) + ", run by " + sessions.provider() +
                     "; update ONNX Runtime, try device 'cpu', or export the bundle with this one");
}

void run_blank(const OrtSessions& sessions, const Bundle& bundle) {
  Known known;
  for (int i = 0; i < kSubgraphCount; ++i) {
    known.clear();
    const Status status = run_on(sessions, bundle.info.sizes, i, known);
    if (!status.ok())
      throw InputError(std::string(kSubgraphNames[i]) + " fails (" + status.text + "); try another device or backend");
  }
}

}  // namespace mapt
