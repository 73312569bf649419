// Wraps an operator in TensorRT's interfaces. An operator is a class with
//   kName, kDeclared[], kCount   its name and fields
//   kMinInputs, kMaxInputs       the number of its inputs
//   is_float32(i)                whether input i holds coordinates, which stay float32
//   kRanks[]                     the number of dimensions of each input
//   shape(fields, inputs, exprs) the shape of its output
//   check(fields, dims)          why sizes of the inputs do not fit together, or an empty text
//   workspace(fields, dims)      the bytes of its workspace
//   run<T>(fields, call)         queues the kernels, and returns null or what failed
// Values are float32, float16 or bfloat16, all of one type. Arithmetic is float32.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "common/limits.h"
#include "cuda/kernels.h"
#include "tensorrt/fields.h"

namespace mapt_trt {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::DimsExprs;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::IExprBuilder;
using nvinfer1::PluginTensorDesc;

constexpr int32_t kMaxPluginInputs = 5;

// The sizes of the inputs that are given.
struct Sizes {
  int32_t count = 0;
  std::array<Dims, kMaxPluginInputs> of{};

  int64_t operator()(int32_t input, int32_t axis) const { return of[input].d[axis]; }
  // A size that is not known yet fits every size.
  bool is(int32_t input, int32_t axis, int64_t want) const {
    return of[input].d[axis] == want || of[input].d[axis] < 0 || want < 0;
  }
  // A size, or 1 if it is not known yet.
  int64_t known(int32_t input, int32_t axis) const { return of[input].d[axis] < 0 ? 1 : of[input].d[axis]; }
  bool are_known() const {
    for (int32_t i = 0; i < count; ++i) {
      for (int32_t axis = 0; axis < of[i].nbDims; ++axis) {
        if (of[i].d[axis] < 0) return false;
      }
    }
    return true;
  }
  // Tells whether kernels can count the pixels of an input (n, channels, height, width).
  bool is_map(int32_t input) const { return mapt::is_small_map(known(input, 2), known(input, 3)); }
  bool is_small(int32_t input) const {
    std::array<int64_t, Dims::MAX_DIMS> sides{};
    for (int32_t axis = 0; axis < of[input].nbDims; ++axis) sides[axis] = known(input, axis);
    return mapt::is_small_tensor(sides);
  }
};

struct Call {
  const Sizes& sizes;
  void const* const* inputs;
  void* output;
  void* workspace;
  mapt::Stream stream;

  // Null if the input is absent.
  template <class T>
  const T* input(int32_t i) const {
    return i < sizes.count ? static_cast<const T*>(inputs[i]) : nullptr;
  }
};

template <class Operator>
class Plugin final : public nvinfer1::IPluginV3,
                     public nvinfer1::IPluginV3OneCore,
                     public nvinfer1::IPluginV3OneBuild,
                     public nvinfer1::IPluginV3OneRuntime {
 public:
  explicit Plugin(const Fields& fields) : fields_(fields) {}

  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override {
    switch (type) {
      case nvinfer1::PluginCapabilityType::kCORE:
        return static_cast<nvinfer1::IPluginV3OneCore*>(this);
      case nvinfer1::PluginCapabilityType::kBUILD:
        return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
      case nvinfer1::PluginCapabilityType::kRUNTIME:
        return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
    }
    return nullptr;
  }
  nvinfer1::IPluginV3* clone() noexcept override { return new Plugin(fields_); }

  const char* getPluginName() const noexcept override { return Operator::kName; }
  const char* getPluginVersion() const noexcept override { return "1"; }
  const char* getPluginNamespace() const noexcept override { return ""; }

  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t getOutputDataTypes(DataType* outputs, int32_t, const DataType* inputs,
                             int32_t count) const noexcept override {
    if (count < Operator::kMinInputs || count > Operator::kMaxInputs) return refuse(std::to_string(count) + " inputs");
    outputs[0] = inputs[0];
    return 0;
  }
  int32_t getOutputShapes(const DimsExprs* inputs, int32_t count, const DimsExprs*, int32_t, DimsExprs* outputs,
                          int32_t, IExprBuilder& exprs) noexcept override {
    const std::string wrong = check_ranks(count, [=](int32_t i) { return inputs[i].nbDims; });
    if (!wrong.empty()) return refuse(wrong);
    outputs[0] = Operator::shape(fields_, inputs, exprs);
    return 0;
  }
  bool supportsFormatCombination(int32_t at, const DynamicPluginTensorDesc* all, int32_t inputs,
                                 int32_t) noexcept override {
    const DataType type = all[at].desc.type, first = all[0].desc.type;
    if (all[at].desc.format != nvinfer1::TensorFormat::kLINEAR) return false;
    if (at < inputs && Operator::is_float32(at)) return type == DataType::kFLOAT;
    const bool known = type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
    return known && (at == 0 || type == first);
  }
  int32_t configurePlugin(const DynamicPluginTensorDesc* in, int32_t count, const DynamicPluginTensorDesc*,
                          int32_t) noexcept override {
    return fit(sizes(count, [=](int32_t i) { return in[i].desc.dims; }), false);
  }
  size_t getWorkspaceSize(const DynamicPluginTensorDesc* in, int32_t count, const DynamicPluginTensorDesc*,
                          int32_t) const noexcept override {
    const Sizes largest = sizes(count, [=](int32_t i) { return in[i].max; });
    return fit(largest, true) == 0 ? Operator::workspace(fields_, largest) : SIZE_MAX;  // more than any GPU has
  }

  int32_t onShapeChange(const PluginTensorDesc* in, int32_t count, const PluginTensorDesc*, int32_t) noexcept override {
    count_ = count;
    return fit(sizes(count, [=](int32_t i) { return in[i].dims; }), true);
  }
  int32_t enqueue(const PluginTensorDesc* in, const PluginTensorDesc*, void const* const* inputs, void* const* outputs,
                  void* workspace, cudaStream_t stream) noexcept override {
    const Sizes given = sizes(count_, [=](int32_t i) { return in[i].dims; });
    const Call call{given, inputs, outputs[0], workspace, stream};
    const char* error = "values of a type that is not supported";
    if (in[0].type == DataType::kFLOAT) error = Operator::template run<float>(fields_, call);
    if (in[0].type == DataType::kHALF) error = Operator::template run<mapt::Half>(fields_, call);
    if (in[0].type == DataType::kBF16) error = Operator::template run<mapt::BFloat16>(fields_, call);
    return error ? refuse(error) : 0;
  }
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext*) noexcept override { return clone(); }
  const nvinfer1::PluginFieldCollection* getFieldsToSerialize() noexcept override { return fields_.written(); }

 private:
  template <class F>
  static Sizes sizes(int32_t count, F dims_of) {
    Sizes found;
    found.count = count < kMaxPluginInputs ? count : kMaxPluginInputs;
    for (int32_t i = 0; i < found.count; ++i) found.of[i] = dims_of(i);
    return found;
  }
  template <class F>
  static std::string check_ranks(int32_t count, F rank_of) {
    if (count < Operator::kMinInputs || count > Operator::kMaxInputs) return std::to_string(count) + " inputs";
    for (int32_t i = 0; i < count; ++i) {
      if (rank_of(i) == Operator::kRanks[i]) continue;
      return "input " + std::to_string(i) + " has " + std::to_string(rank_of(i)) + " dimensions, not " +
             std::to_string(Operator::kRanks[i]);
    }
    return "";
  }
  std::string check(const Sizes& sizes) const {
    const std::string wrong = check_ranks(sizes.count, [&](int32_t i) { return sizes.of[i].nbDims; });
    if (!wrong.empty()) return wrong;
    for (int32_t i = 0; i < sizes.count; ++i) {
      if (!sizes.is_small(i)) return "input " + std::to_string(i) + " is too large";
    }
    return Operator::check(fields_, sizes);
  }
  int32_t fit(const Sizes& sizes, bool known) const {
    if (known && !sizes.are_known()) return refuse("a size is not known");
    const std::string wrong = check(sizes);
    return wrong.empty() ? 0 : refuse(wrong);
  }
  static int32_t refuse(const std::string& what) {
    log_error(std::string(Operator::kName) + ": " + what);
    return 1;
  }

  Fields fields_;
  int32_t count_ = 0;
};

template <class Operator>
class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  const char* getPluginName() const noexcept override { return Operator::kName; }
  const char* getPluginVersion() const noexcept override { return "1"; }
  // TensorRT's ONNX parser looks nodes up without a namespace, in any domain.
  const char* getPluginNamespace() const noexcept override { return ""; }
  const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override { return names_.names(); }

  nvinfer1::IPluginV3* createPlugin(const char*, const nvinfer1::PluginFieldCollection* given,
                                    nvinfer1::TensorRTPhase) noexcept override {
    Fields fields(Operator::kDeclared, Operator::kCount);
    const std::string wrong = fields.read(given);
    if (wrong.empty()) return new Plugin<Operator>(fields);
    log_error(std::string(Operator::kName) + ": " + wrong);
    return nullptr;
  }

 private:
  Fields names_{Operator::kDeclared, Operator::kCount};
};

// The creators of all plugins. Every operator's file adds its own before the library is used.
inline std::vector<nvinfer1::IPluginCreatorInterface*>& creators() {
  static std::vector<nvinfer1::IPluginCreatorInterface*> all;
  return all;
}

// A global of this type adds an operator.
template <class Operator>
struct Register {
  Register() { creators().push_back(&creator); }
  Creator<Operator> creator;
};

inline DimsExprs dims(std::initializer_list<const nvinfer1::IDimensionExpr*> sides) {
  DimsExprs found;
  found.nbDims = 0;
  for (const nvinfer1::IDimensionExpr* side : sides) found.d[found.nbDims++] = side;
  return found;
}

}  // namespace mapt_trt
