// Makes an operator known to ONNX Runtime.
//
// An operator is a class with kName, kInputs, kOptional (how many of the inputs, at the end, may be absent), a
// constructor from a node's Attributes and `void compute(const Call&) const`; it has one output.
#pragma once

#include <memory>

#include "tensors.h"

namespace mapt_ort {

template <class Operator>
struct CustomOp : OrtCustomOp {
  CustomOp() : OrtCustomOp{} {
    version = kApiVersion;
    GetName = [](const OrtCustomOp*) { return Operator::kName; };
    GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };  // CPU
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

// One per operator, for as long as the process lives: sessions keep pointers to them.
const OrtCustomOp* deform_conv2d();
const OrtCustomOp* multiscale_roi_align();
const OrtCustomOp* propagate_masks();
const OrtCustomOp* propagated_features();

}  // namespace mapt_ort
