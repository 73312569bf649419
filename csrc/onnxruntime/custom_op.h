// Makes an operator known to ONNX Runtime.
//
// An operator is a class template over a device of devices.h, with kName, kInputs, kOptional (how many of the inputs,
// at the end, may be absent), a constructor from a node's Attributes and `void compute(const Call&) const`; it has one
// output. A global of type Register adds it. ONNX Runtime takes the operator of the provider that a node is given to.
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

// What every operator's file adds itself to, before the library is first registered.
inline std::vector<const OrtCustomOp*>& custom_ops() {
  static std::vector<const OrtCustomOp*> all;
  return all;
}

// A global of this type adds an operator for every device. They live as long as the process: sessions keep pointers to
// them.
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
