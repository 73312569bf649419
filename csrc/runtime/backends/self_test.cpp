#include "runtime/backends/self_test.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <type_traits>
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

// Values of a tensor, on the host.
template <class T>
double difference_of(const std::string& want, const std::string& got) {
  const auto size = static_cast<std::int64_t>(got.size() / sizeof(T));
  const auto* wanted = reinterpret_cast<const T*>(want.data());
  const auto* found = reinterpret_cast<const T*>(got.data());
  if constexpr (std::is_same_v<T, float>)
    return largest_difference(wanted, found, kept_of(size), step_of(size));
  else
    return share_of_differing(wanted, found, kept_of(size), step_of(size));
}

double difference(const std::string& want, const TensorSpec& spec, const std::string& got) {
  const Element element = element_of(spec);
  if (element == Element::kUint8) return difference_of<std::uint8_t>(want, got);
  return element == Element::kInt32 ? difference_of<std::int32_t>(want, got) : difference_of<float>(want, got);
}

// The network under test, whose tensors may lie on a device. Throws what is told where a copy fails.
class Bench {
 public:
  Bench(BundleNetwork& network, std::string failure) : network_(network), failure_(std::move(failure)) {}

  void run(Subgraph subgraph) { demand(subgraph, network_.runner().run(subgraph, addresses(subgraph))); }

  std::string output(Subgraph subgraph, int place) {
    const TensorSpec& spec = spec_of(subgraph).outputs[place];
    std::string bytes(bytes_of(spec, resolve(spec, network_.info().sizes)), '\0');
    DeviceMemory& memory = network_.runner().memory();
    demand(subgraph, memory.wait());
    demand(subgraph, memory.read(bytes.data(), addresses(subgraph).outputs[place], bytes.size()));
    return bytes;
  }

  // Fills an input; where there are too few bytes, zeros follow.
  void give(Subgraph subgraph, int place, std::string bytes) {
    const TensorSpec& spec = spec_of(subgraph).inputs[place];
    bytes.resize(bytes_of(spec, resolve(spec, network_.info().sizes)));
    demand(subgraph, network_.runner().memory().write(addresses(subgraph).inputs[place], bytes.data(), bytes.size()));
  }

 private:
  const Addresses& addresses(Subgraph subgraph) { return network_.tensors().addresses(subgraph); }

  void demand(Subgraph subgraph, const Status& status) const {
    if (status.ok()) return;
    const std::string name = spec_of(subgraph).name;
    const std::string runs = network_.provider(static_cast<int>(subgraph));
    throw InputError(failure_ + name + " fails" + (failure_.empty() ? "" : ", run by " + runs) + " (" + status.text +
                     "); try another device or backend");
  }

  BundleNetwork& network_;
  std::string failure_;
};

// The features of the frame before: these, shifted by a column.
std::string shifted(const std::string& s, const Sizes& sizes) {
  const auto row = static_cast<std::size_t>(sizes.W / 8) * sizeof(float);
  std::string out = s;
  for (std::size_t at = 0; at < s.size(); at += row) {
    std::memcpy(out.data() + at + sizeof(float), s.data() + at, row - sizeof(float));
    std::memcpy(out.data() + at, s.data() + at + row - sizeof(float), sizeof(float));
  }
  return out;
}

std::string chosen_rows(const Sizes& sizes) {
  std::vector<std::int32_t> rows;
  for (std::int32_t row = 0; row < sizes.N; ++row) rows.push_back(row < sizes.D ? row : -1);
  return {reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof rows[0]};
}

// What the heads behind the detections read beside the pyramid and `s`: the given rows in the first slots, which are
// also the tracks of the frame before.
void give(Bench& bench, const ModelInfo& info, const Arrays& arrays) {
  const std::string s = bench.output(Subgraph::kSemantic, 0);
  for (const Subgraph subgraph : {Subgraph::kMotion, Subgraph::kAppearance}) {
    const SubgraphSpec& spec = spec_of(subgraph);
    for (int i = 0; i < spec.input_count; ++i) {
      const std::string name = spec.inputs[i].name;
      if (name == "s_prev") bench.give(subgraph, i, shifted(s, info.sizes));
      if (name == "masks_prev") bench.give(subgraph, i, arrays.at("masks8"));
      if (name == "rows") bench.give(subgraph, i, chosen_rows(info.sizes));
      if (is_among(name.c_str(), kGiven)) bench.give(subgraph, i, arrays.at(name));
    }
  }
}

struct Worst {
  std::string name;
  Subgraph subgraph = Subgraph::kBackbone;
  double difference = -1;
};

// Compares the outputs of a subgraph that has just run.
void compare(Bench& bench, Subgraph subgraph, const Arrays& wanted, Worst& worst) {
  const SubgraphSpec& spec = spec_of(subgraph);
  for (int i = 0; i < spec.output_count; ++i) {
    if (!is_sampled(spec, spec.outputs[i])) continue;
    const std::string name = std::string(spec.name) + "." + spec.outputs[i].name;
    const double found = difference(wanted.at(name), spec.outputs[i], bench.output(subgraph, i));
    if (found > worst.difference) worst = {name, subgraph, found};
  }
}

std::string text_of(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

void self_test(BundleNetwork& network, const Bundle& bundle) {
  const std::string& path = bundle.golden->path;
  Arrays arrays;
  try {
    arrays = read_arrays(bundle.golden->content, layout(bundle.info));
  } catch (const ValueError& error) {
    throw InputError(path + ": cannot be compared (" + error.what() + "); export the bundle again");
  }
  Bench bench(network, "the golden picture's ");
  bench.give(Subgraph::kBackbone, 0, arrays.at("image"));
  Worst worst;
  for (int i = 0; i < kSubgraphCount; ++i) {
    const auto subgraph = static_cast<Subgraph>(i);
    if (subgraph == Subgraph::kMotion) give(bench, bundle.info, arrays);
    bench.run(subgraph);
    compare(bench, subgraph, arrays, worst);
  }
  double limit = network.runner().rounds_to_tf32() ? tolerance("tf32") : 0;
  for (const auto& [name, precision] : bundle.precisions) limit = std::max(limit, tolerance(precision));
  if (!(worst.difference <= limit))
    throw InputError(path + ": " + worst.name + " differs by " + text_of("%.1e", worst.difference) +
                     " of its largest value from what the bundle gave when it was exported, more than " +
                     text_of("%g", limit) + ", run by " + network.provider(static_cast<int>(worst.subgraph)) +
                     "; update ONNX Runtime, try device 'cpu', or export the bundle with this one");
}

void run_blank(BundleNetwork& network) {
  Bench bench(network, "");
  for (int i = 0; i < kSubgraphCount; ++i) {
    const auto subgraph = static_cast<Subgraph>(i);
    for (int input = 0; input < spec_of(subgraph).input_count; ++input) bench.give(subgraph, input, "");
    bench.run(subgraph);
    bench.output(subgraph, 0);
  }
}

}  // namespace mapt
