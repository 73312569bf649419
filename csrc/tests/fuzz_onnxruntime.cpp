// Calls the operators for ONNX Runtime with random attributes and shapes, under AddressSanitizer and UBSan (`make
// sanitize`). A stand-in for ONNX Runtime's C interface keeps every tensor in memory of exactly its size. Each call
// must end with a result or with a status, and the sanitizers check its memory and arithmetic.
//
// Usage: fuzz_onnxruntime [ROUNDS [SEED]]. Operators for CUDA's provider run as loops.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "onnxruntime/custom_op.h"
#include "tests/random.h"

extern "C" OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base);

// The contents of ONNX Runtime's opaque types, as far as the operators use them.
struct OrtStatus {
  std::string text;
};
struct OrtKernelInfo {
  std::map<std::string, std::vector<int64_t>> numbers;
};
struct OrtTensorTypeAndShapeInfo {
  std::vector<int64_t> sides;
};
struct OrtValue {
  std::vector<int64_t> sides;
  std::unique_ptr<float[]> data;
};
struct OrtKernelContext {
  std::vector<std::unique_ptr<OrtValue>> inputs;  // null: not given
  OrtValue output;
};
struct OrtCustomOpDomain {
  std::vector<const OrtCustomOp*> ops;
};

namespace {

constexpr int64_t kMaxOutput = 1 << 20;  // elements; ONNX Runtime, too, refuses outputs that do not fit into memory
OrtCustomOpDomain domain;
OrtMemoryInfo* const memory_info = nullptr;

OrtStatus* status(const char* text) { return new OrtStatus{text}; }

OrtStatus* ORT_API_CALL get_output(OrtKernelContext* context, size_t, const int64_t* sides, size_t count,
                                   OrtValue** value) noexcept {
  OrtValue& output = context->output;
  output.sides.assign(sides, sides + count);
  int64_t elements = 1;
  for (const int64_t side : output.sides) {
    if (side < 0 || __builtin_mul_overflow(elements, side, &elements)) return status("no such output");
  }
  if (elements > kMaxOutput) return status("no memory for the output");
  output.data.reset(new float[static_cast<size_t>(elements)]);
  *value = &output;
  return nullptr;
}

void fill_reading(OrtApi& api) {
  api.KernelInfoGetAttribute_int64 = [](const OrtKernelInfo* info, const char* name, int64_t* out) noexcept {
    const auto found = info->numbers.find(name);
    if (found == info->numbers.end() || found->second.size() != 1) return status("no such number");
    *out = found->second[0];
    return static_cast<OrtStatus*>(nullptr);
  };
  api.KernelInfoGetAttributeArray_int64 = [](const OrtKernelInfo* info, const char* name, int64_t* out,
                                             size_t* size) noexcept {
    const auto found = info->numbers.find(name);
    if (found == info->numbers.end()) return status("no such list");
    if (out) std::memcpy(out, found->second.data(), found->second.size() * sizeof(int64_t));
    *size = found->second.size();
    return static_cast<OrtStatus*>(nullptr);
  };
  api.KernelContext_GetInputCount = [](const OrtKernelContext* context, size_t* out) noexcept {
    *out = context->inputs.size();
    return static_cast<OrtStatus*>(nullptr);
  };
  api.KernelContext_GetInput = [](const OrtKernelContext* context, size_t index, const OrtValue** out) noexcept {
    *out = context->inputs[index].get();
    return static_cast<OrtStatus*>(nullptr);
  };
  api.GetTensorTypeAndShape = [](const OrtValue* value, OrtTensorTypeAndShapeInfo** out) noexcept {
    *out = new OrtTensorTypeAndShapeInfo{value->sides};
    return static_cast<OrtStatus*>(nullptr);
  };
  api.ReleaseTensorTypeAndShapeInfo = [](OrtTensorTypeAndShapeInfo* info) noexcept { delete info; };
  api.GetDimensionsCount = [](const OrtTensorTypeAndShapeInfo* info, size_t* out) noexcept {
    *out = info->sides.size();
    return static_cast<OrtStatus*>(nullptr);
  };
  api.GetDimensions = [](const OrtTensorTypeAndShapeInfo* info, int64_t* out, size_t count) noexcept {
    if (count) std::memcpy(out, info->sides.data(), count * sizeof(int64_t));
    return static_cast<OrtStatus*>(nullptr);
  };
  api.GetTensorMutableData = [](OrtValue* value, void** out) noexcept {
    *out = value->data.get();
    return static_cast<OrtStatus*>(nullptr);
  };
}

void fill_running(OrtApi& api) {
  api.KernelContext_GetOutput = get_output;
  api.KernelContext_ParallelFor = [](const OrtKernelContext*, void (*run)(void*, size_t), size_t total, size_t,
                                     void* data) noexcept {
    for (size_t i = 0; i < total; ++i) run(data, i);
    return static_cast<OrtStatus*>(nullptr);
  };
  api.KernelContext_GetGPUComputeStream = [](const OrtKernelContext*, void** out) noexcept {
    *out = nullptr;
    return static_cast<OrtStatus*>(nullptr);
  };
  api.GetTensorMemoryInfo = [](const OrtValue*, const OrtMemoryInfo** out) noexcept {
    *out = memory_info;
    return static_cast<OrtStatus*>(nullptr);
  };
  api.KernelContext_GetAllocator = [](const OrtKernelContext*, const OrtMemoryInfo*, OrtAllocator** out) noexcept {
    *out = new OrtAllocator{};
    return static_cast<OrtStatus*>(nullptr);
  };
  api.ReleaseAllocator = [](OrtAllocator* allocator) noexcept { delete allocator; };
  api.AllocatorAlloc = [](OrtAllocator*, size_t size, void** out) noexcept {
    *out = std::malloc(size);
    return *out ? nullptr : status("no memory");
  };
  api.AllocatorFree = [](OrtAllocator*, void* memory) noexcept {
    std::free(memory);
    return static_cast<OrtStatus*>(nullptr);
  };
}

const OrtApi* make_api() {
  static OrtApi api{};
  api.CreateStatus = [](OrtErrorCode, const char* text) noexcept { return status(text); };
  api.GetErrorMessage = [](const OrtStatus* found) noexcept { return found->text.c_str(); };
  api.ReleaseStatus = [](OrtStatus* found) noexcept { delete found; };
  api.CreateCustomOpDomain = [](const char*, OrtCustomOpDomain** out) noexcept {
    *out = &domain;
    return static_cast<OrtStatus*>(nullptr);
  };
  api.CustomOpDomain_Add = [](OrtCustomOpDomain* to, const OrtCustomOp* op) noexcept {
    to->ops.push_back(op);
    return static_cast<OrtStatus*>(nullptr);
  };
  api.AddCustomOpDomain = [](OrtSessionOptions*, OrtCustomOpDomain*) noexcept {
    return static_cast<OrtStatus*>(nullptr);
  };
  fill_reading(api);
  fill_running(api);
  return &api;
}

OrtKernelInfo numbers_for(fuzz::Random& random, const std::string& name) {
  OrtKernelInfo info;
  const auto put = [&](const char* key, int64_t fitting) { info.numbers[key] = {random.mostly(fitting, 12)}; };
  if (name == "DeformConv2d") {
    put("stride", random.between(1, 3));
    put("padding", random.between(0, 3));
    put("dilation", random.between(1, 3));
  } else if (name == "MultiscaleRoiAlign") {
    put("output_size", random.between(1, 9));
    put("sampling_ratio", random.between(1, 4));
    for (int64_t level = 0; level < 4; ++level) {
      info.numbers["strides"].push_back(random.mostly(int64_t{4} << level, 30));
    }
  }
  if (!info.numbers.empty() && random.one_in(50)) info.numbers.erase(info.numbers.begin());
  return info;
}

fuzz::Sides sides_for(fuzz::Random& random, const OrtCustomOp& op, const OrtKernelInfo& info) {
  const auto number = [&](const char* key) {
    const auto found = info.numbers.find(key);
    return found == info.numbers.end() ? int64_t{1} : found->second[0];
  };
  const std::string name = op.GetName(&op);
  if (name == "DeformConv2d") {
    return fuzz::convolution_sides(random, number("stride"), number("padding"), number("dilation"));
  }
  if (name == "GreedyKeep") return fuzz::square_sides(random);
  if (name == "MultiscaleRoiAlign") return fuzz::pyramid_sides(random);
  if (name == "PropagateMasks" || name == "PropagatedFeatures") {
    return fuzz::motion_sides(random, name == "PropagatedFeatures");
  }
  return fuzz::equal_sides(random, static_cast<int64_t>(op.GetInputTypeCount(&op)));
}

// Fills the inputs. Returns false if they cannot exist.
bool give_inputs(fuzz::Random& random, const fuzz::Sides& sides, OrtKernelContext& context) {
  for (const std::vector<int64_t>& of_one : sides) {
    const int64_t count = fuzz::elements(of_one);
    if (count < 0) return false;
    auto value = std::make_unique<OrtValue>();
    value->sides = of_one;
    if (count > 0) value->data.reset(new float[static_cast<size_t>(count)]);
    const std::vector<float> values = random.values(count, 4);
    if (count > 0) std::memcpy(value->data.get(), values.data(), values.size() * sizeof(float));
    context.inputs.push_back(std::move(value));
  }
  return true;
}

// Most boxes are in images of the batch.
void place_boxes(fuzz::Random& random, OrtKernelContext& context) {
  OrtValue& boxes = *context.inputs.back();
  const int64_t batch = context.inputs[0]->sides.empty() ? 0 : context.inputs[0]->sides[0];
  if (boxes.sides.size() != 2 || boxes.sides[1] != 5) return;
  for (int64_t r = 0; boxes.data && r < boxes.sides[0]; ++r) {
    float* box = boxes.data.get() + r * 5;
    box[0] = static_cast<float>(random.between(0, batch > 1 && batch < 9 ? batch - 1 : 0));
    for (int i = 1; i < 5; ++i) box[i] *= 100;
  }
}

enum Outcome { kRan, kRefused, kImpossible, kOutcomes };

Outcome finish(OrtStatus* refused) {
  if (refused == nullptr) return kRan;
  if (refused->text.rfind("mapt::", 0) != 0) std::abort();
  delete refused;
  return kRefused;
}

Outcome attempt(fuzz::Random& random, const OrtCustomOp& op) {
  const std::string name = op.GetName(&op);
  const OrtKernelInfo info = numbers_for(random, name);
  fuzz::Sides sides = sides_for(random, op, info);
  if (name == "DeformConv2d" && random.one_in(3)) sides.pop_back();  // no bias
  while (random.one_in(3)) fuzz::corrupt(random, sides);
  OrtKernelContext context;
  if (!give_inputs(random, sides, context)) return kImpossible;
  if (name == "MultiscaleRoiAlign") place_boxes(random, context);
  void* kernel = nullptr;
  if (OrtStatus* refused = op.CreateKernelV2(&op, nullptr, &info, &kernel)) return finish(refused);
  OrtStatus* ended = op.KernelComputeV2(kernel, &context);
  op.KernelDestroy(kernel);
  return finish(ended);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t rounds = argc > 1 ? std::atoll(argv[1]) : 20000;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  static const OrtApi* const api = make_api();
  const OrtApiBase base{[](uint32_t) noexcept { return api; }, []() noexcept { return "0"; }};
  if (RegisterCustomOps(nullptr, &base) != nullptr || domain.ops.empty()) return 1;
  int64_t outcomes[kOutcomes] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    fuzz::Random random(seed * 1000003 + static_cast<uint64_t>(round));
    const auto op = static_cast<size_t>(round) % domain.ops.size();
    ++outcomes[attempt(random, *domain.ops[op])];
  }
  std::printf("clean: %lld ran, %lld refused, %lld cannot exist\n", static_cast<long long>(outcomes[kRan]),
              static_cast<long long>(outcomes[kRefused]), static_cast<long long>(outcomes[kImpossible]));
  return outcomes[kRan] < rounds / 10 || outcomes[kRefused] < rounds / 10;  // too few of either prove nothing
}
