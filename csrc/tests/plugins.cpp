// Takes a TensorRT plugin through its life as TensorRT does, but without TensorRT. The plugin is created from fields,
// serialised, created again, cloned, asked about types and shapes, and run. Tests call this through ctypes, with
// kernels as loops (csrc/shim).
#include "tests/plugins.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

extern "C" nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count);

namespace {

using namespace nvinfer1;

// Sizes that are all known.
class Size final : public IDimensionExpr, public apiv::VDimensionExpr {
 public:
  explicit Size(int64_t value) : value_(value) { mImpl = this; }
  bool isConstant() const override { return true; }
  int64_t getConstantValue() const override { return value_; }
  bool isSizeTensor() const override { return false; }

 private:
  int64_t value_;
};

class Sizes final : public IExprBuilder, public apiv::VExprBuilder {
 public:
  Sizes() { mImpl = this; }
  const IDimensionExpr* constant(int64_t value) override {
    made_.push_back(std::make_unique<Size>(value));
    return made_.back().get();
  }
  const IDimensionExpr* operation(DimensionOperation op, const IDimensionExpr& a, const IDimensionExpr& b) override {
    if (op != DimensionOperation::kPROD) std::abort();
    int64_t product = 0;
    const bool fits = !__builtin_mul_overflow(a.getConstantValue(), b.getConstantValue(), &product);
    return constant(fits ? product : -1);
  }
  const IDimensionExpr* declareSizeTensor(int32_t, const IDimensionExpr&, const IDimensionExpr&) override {
    return nullptr;
  }

 private:
  std::vector<std::unique_ptr<Size>> made_;
};

struct Delete {
  template <class T>
  void operator()(T* made) const {
    delete made;
  }
};
using Owned = std::unique_ptr<IPluginV3, Delete>;

IPluginCreatorV3One* creator_of(const char* name) {
  int32_t count = 0;
  IPluginCreatorInterface* const* all = getCreators(count);
  for (int32_t i = 0; i < count; ++i) {
    auto* creator = static_cast<IPluginCreatorV3One*>(all[i]);
    if (std::strcmp(creator->getPluginName(), name) == 0) return creator;
  }
  return nullptr;
}

bool same(const PluginFieldCollection* a, const PluginFieldCollection* b) {
  if (a->nbFields != b->nbFields) return false;
  for (int32_t i = 0; i < a->nbFields; ++i) {
    const PluginField &x = a->fields[i], &y = b->fields[i];
    if (std::strcmp(x.name, y.name) != 0 || x.type != y.type || x.length != y.length) return false;
    if (std::memcmp(x.data, y.data, x.length * sizeof(int32_t)) != 0) return false;
  }
  return true;
}

template <class Capability>
Capability* part(const Owned& plugin, PluginCapabilityType type) {
  return static_cast<Capability*>(plugin->getCapabilityInterface(type));
}

PluginTensorDesc describe(const Tensor& tensor) {
  PluginTensorDesc desc{};
  desc.dims.nbDims = tensor.rank;
  for (int32_t i = 0; i < tensor.rank; ++i) desc.dims.d[i] = tensor.sides[i];
  desc.type = static_cast<DataType>(tensor.type), desc.format = TensorFormat::kLINEAR;
  return desc;
}

DynamicPluginTensorDesc fixed(const PluginTensorDesc& desc) { return {desc, desc.dims, desc.dims, desc.dims}; }

// `tensors` are the inputs, and then the output, whose type and sides are filled in.
const char* build(const Owned& plugin, Tensor* tensors, int32_t inputs, size_t& workspace) {
  auto* build = part<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
  Sizes exprs;
  std::vector<DimsExprs> sides(inputs);
  std::vector<DataType> types(inputs);
  std::vector<DynamicPluginTensorDesc> all;
  for (int32_t i = 0; i < inputs; ++i) {
    sides[i].nbDims = tensors[i].rank;
    for (int32_t k = 0; k < tensors[i].rank; ++k) sides[i].d[k] = exprs.constant(tensors[i].sides[k]);
    types[i] = static_cast<DataType>(tensors[i].type);
    all.push_back(fixed(describe(tensors[i])));
  }
  DimsExprs out;
  DataType type;
  if (build->getNbOutputs() != 1 || build->getOutputDataTypes(&type, 1, types.data(), inputs)) return "output types";
  if (build->getOutputShapes(sides.data(), inputs, nullptr, 0, &out, 1, exprs)) return "output shapes";
  Tensor& result = tensors[inputs];
  result.type = static_cast<int32_t>(type), result.rank = out.nbDims;
  for (int32_t k = 0; k < out.nbDims; ++k) result.sides[k] = out.d[k]->getConstantValue();
  all.push_back(fixed(describe(result)));
  for (int32_t i = 0; i <= inputs; ++i) {
    if (!build->supportsFormatCombination(i, all.data(), inputs, 1)) return "formats";
  }
  if (build->configurePlugin(all.data(), inputs, all.data() + inputs, 1)) return "configuration";
  workspace = build->getWorkspaceSize(all.data(), inputs, all.data() + inputs, 1);
  return nullptr;
}

}  // namespace

extern "C" const char* run_plugin(const char* name, const PluginField* fields, int32_t field_count, Tensor* tensors,
                                  int32_t inputs, size_t* bytes, void* workspace) {
  IPluginCreatorV3One* creator = creator_of(name);
  if (creator == nullptr) return "name";
  const PluginFieldCollection given{field_count, fields};
  const Owned first(creator->createPlugin(name, &given, TensorRTPhase::kBUILD));
  if (!first) return "creation";
  auto* written = part<IPluginV3OneRuntime>(first, PluginCapabilityType::kRUNTIME)->getFieldsToSerialize();
  if (!same(written, &given)) return "serialisation";
  const Owned second(creator->createPlugin(name, written, TensorRTPhase::kRUNTIME));
  if (!second) return "creation from what was serialised";
  const Owned copy(second->clone());
  auto* runtime = part<IPluginV3OneRuntime>(copy, PluginCapabilityType::kRUNTIME);
  if (!same(runtime->getFieldsToSerialize(), &given)) return "clone";
  const char* wrong = build(first, tensors, inputs, *bytes);
  if (wrong || tensors[inputs].data == nullptr) return wrong;

  const Owned attached(runtime->attachToContext(nullptr));
  runtime = part<IPluginV3OneRuntime>(attached, PluginCapabilityType::kRUNTIME);
  std::vector<PluginTensorDesc> in;
  std::vector<const void*> data;
  for (int32_t i = 0; i < inputs; ++i) in.push_back(describe(tensors[i])), data.push_back(tensors[i].data);
  const PluginTensorDesc out = describe(tensors[inputs]);
  if (runtime->onShapeChange(in.data(), inputs, &out, 1)) return "shapes at run time";
  return runtime->enqueue(in.data(), &out, data.data(), &tensors[inputs].data, workspace, nullptr) ? "run" : nullptr;
}
