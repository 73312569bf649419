// Calls the TensorRT plugins with random fields and shapes, under AddressSanitizer and UBSan (`make sanitize`) and
// without TensorRT. plugins.cpp takes each plugin through its life, and runs kernels as loops. Memory has exactly the
// size that the plugin asks for.
//
// Usage: fuzz_tensorrt [ROUNDS [SEED]].
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "tests/plugins.h"
#include "tests/random.h"

extern "C" nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count);

namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

constexpr int64_t kMaxOutput = 1 << 20;  // elements

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

// A plugin's numbers, and the fields that name them.
struct Numbers {
  std::vector<std::vector<int32_t>> values;
  std::vector<PluginField> fields;

  void put(const char* name, std::vector<int32_t> numbers) {
    values.push_back(std::move(numbers));
    fields.emplace_back(name, values.back().data(), PluginFieldType::kINT32,
                        static_cast<int32_t>(values.back().size()));
  }
};

int32_t mostly(fuzz::Random& random, int64_t fitting) { return static_cast<int32_t>(random.mostly(fitting, 12)); }

Numbers numbers_for(fuzz::Random& random, const std::string& name) {
  Numbers numbers;
  numbers.values.reserve(8);
  if (name == "DeformConv2d") {
    numbers.put("stride", {mostly(random, random.between(1, 3))});
    numbers.put("padding", {mostly(random, random.between(0, 3))});
    numbers.put("dilation", {mostly(random, random.between(1, 3))});
  } else if (name == "MultiscaleRoiAlign") {
    numbers.put("output_size", {mostly(random, random.between(1, 9))});
    numbers.put("strides", {4, 8, 16, mostly(random, 32)});
    numbers.put("sampling_ratio", {mostly(random, random.between(1, 4))});
  }
  if (random.one_in(40)) numbers.put(random.one_in(2) ? "stride" : "other", {1, 2});
  if (!numbers.fields.empty() && random.one_in(40)) {
    PluginField& field = numbers.fields[static_cast<size_t>(random.between(0, numbers.fields.size() - 1))];
    if (random.one_in(2)) field.data = nullptr;
    if (random.one_in(2)) field.length = static_cast<int32_t>(random.hostile());
    if (random.one_in(2)) field.type = PluginFieldType::kFLOAT64;
  }
  return numbers;
}

fuzz::Sides sides_for(fuzz::Random& random, const std::string& name, const Numbers& numbers) {
  if (name == "DeformConv2d") {
    return fuzz::convolution_sides(random, numbers.values[0][0], numbers.values[1][0], numbers.values[2][0]);
  }
  if (name == "GreedyKeep") return fuzz::square_sides(random);
  if (name == "MultiscaleRoiAlign") return fuzz::pyramid_sides(random);
  if (name == "PropagateMasks" || name == "PropagatedFeatures") {
    return fuzz::motion_sides(random, name == "PropagatedFeatures");
  }
  return fuzz::equal_sides(random, random.between(1, 5));
}

enum Outcome { kRan, kRefused, kImpossible, kOutcomes };

// Runs a plugin on inputs that exist.
Outcome run(const char* name, const Numbers& numbers, std::vector<Tensor>& tensors) {
  const auto fields = static_cast<int32_t>(numbers.fields.size()), inputs = static_cast<int32_t>(tensors.size()) - 1;
  size_t bytes = 0;
  if (run_plugin(name, numbers.fields.data(), fields, tensors.data(), inputs, &bytes, nullptr)) return kRefused;
  int64_t elements = 1;
  for (int32_t k = 0; k < tensors.back().rank; ++k) {
    if (__builtin_mul_overflow(elements, tensors.back().sides[k], &elements)) return kImpossible;
  }
  if (elements < 0 || elements > kMaxOutput || bytes > size_t{1} << 26) return kImpossible;
  const Memory out(std::malloc(static_cast<size_t>(elements) * sizeof(float)));
  const Memory workspace(bytes ? std::malloc(bytes) : nullptr);
  tensors.back().data = out.get();
  return run_plugin(name, numbers.fields.data(), fields, tensors.data(), inputs, &bytes, workspace.get()) ? kRefused
                                                                                                          : kRan;
}

Outcome attempt(fuzz::Random& random, const char* plugin) {
  const std::string name = plugin;
  const Numbers numbers = numbers_for(random, name);
  fuzz::Sides sides = sides_for(random, name, numbers);
  if (name == "DeformConv2d" && random.one_in(3)) sides.pop_back();  // no bias
  if (random.one_in(40)) sides.pop_back();
  while (random.one_in(3)) fuzz::corrupt(random, sides);
  std::vector<Memory> memory;
  std::vector<Tensor> tensors;
  for (const std::vector<int64_t>& of_one : sides) {
    const int64_t count = fuzz::elements(of_one);
    if (count < 0 || of_one.size() > 8) return kImpossible;
    Tensor tensor{nullptr, 0, static_cast<int32_t>(of_one.size()), {}};
    for (size_t axis = 0; axis < of_one.size(); ++axis) tensor.sides[axis] = of_one[axis];
    const std::vector<float> values = random.values(count, 100);
    memory.emplace_back(std::malloc(values.size() * sizeof(float)));
    if (count > 0) std::memcpy(memory.back().get(), values.data(), values.size() * sizeof(float));
    tensor.data = memory.back().get();
    tensors.push_back(tensor);
  }
  tensors.push_back(Tensor{});
  return run(plugin, numbers, tensors);
}

std::vector<const char*> plugin_names() {
  int32_t count = 0;
  nvinfer1::IPluginCreatorInterface* const* creators = getCreators(count);
  std::vector<const char*> names;
  for (int32_t i = 0; i < count; ++i) {
    names.push_back(static_cast<nvinfer1::IPluginCreatorV3One*>(creators[i])->getPluginName());
  }
  return names;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t rounds = argc > 1 ? std::atoll(argv[1]) : 20000;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const std::vector<const char*> names = plugin_names();
  int64_t outcomes[kOutcomes] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    fuzz::Random random(seed * 1000003 + static_cast<uint64_t>(round));
    ++outcomes[attempt(random, names[static_cast<size_t>(round) % names.size()])];
  }
  std::printf("clean: %lld ran, %lld refused, %lld cannot exist\n", static_cast<long long>(outcomes[kRan]),
              static_cast<long long>(outcomes[kRefused]), static_cast<long long>(outcomes[kImpossible]));
  return outcomes[kRan] < rounds / 10 || outcomes[kRefused] < rounds / 10;  // too few of either prove nothing
}
