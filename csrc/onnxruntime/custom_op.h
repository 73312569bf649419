// Registers operators with ONNX Runtime.
//
// An operator is a class template over a device of devices.h, and has one output. Its members are kName, kInputs,
// kOptional (how many of the last inputs may be absent), a constructor from a node's Attributes, and
// `void compute(const Call&) const`. A global of type Register adds it. ONNX Runtime uses the operator of the provider
// to which it assigns a node.
#pragma once

#include <memory>

#include "onnxruntime/devices.h"

namespace mapt_ort {

template <class Operator, class Device>
struct CustomOp : OrtCustomOp {
  CustomOp() : OrtCustomOp{} {
    version = kApiVersion;
    GetName = [](const OrtCustomOp*) { return Operator::kName; };
    GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return Device::kProvider; };
    GetInputTypeCount = [](const OrtCustomOp*) -> size_t { return Operator::kInputs; };
    GetInputType = [](const OrtCustomOp*, size_t) { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; };
    GetInputCharacteristic = [](const OrtCustomOp*, size_t index) {
      return index + Operator::kOptional < Operator::kInputs ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
    };
    GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
    GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return 1; };
    GetOutputType = [](const OrtCustomOp*, size_t) { return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; };
    GetOutputCharacteristic = [](const OrtCustomOp*, size_t) { return INPUT_OUTPUT_REQUIRED; };
    GetStartVersion = [](const OrtCustomOp*) { return 1; };
    CreateKernelV2 = [](const OrtCustomOp*, const OrtApi*, const OrtKernelInfo* info, void** kernel) {
      return guarded(Operator::kName, [&] { *kernel = new Operator(Attributes(info)); });
    };
    KernelComputeV2 = [](void* kernel, OrtKernelContext* context) {
      return guarded(Operator::kName, [&] { static_cast<const Operator*>(kernel)->compute(Call(context)); });
    };
    KernelDestroy = [](void* kernel) { delete static_cast<Operator*>(kernel); };
  }
};

// The list to which every operator's file adds its operators before the library is registered.
inline std::vector<const OrtCustomOp*>& custom_ops() {
  static std::vector<const OrtCustomOp*> all;
  return all;
}

// A global of this type adds an operator for every device. Operators live as long as the process, because sessions keep
// pointers to them.
template <template <class> class Operator>
struct Register {
  Register() {
    for_each_device([](auto device) {
      using Device = decltype(device);
      static const CustomOp<Operator<Device>, Device> op;
      custom_ops().push_back(&op);
    });
  }
};

}  // namespace mapt_ort
