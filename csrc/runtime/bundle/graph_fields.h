// Numbers of fields in onnx.proto.
#pragma once

#include <cstdint>

namespace mapt {

constexpr std::uint32_t kModelGraph = 7, kModelTraining = 20, kModelFunctions = 25;
constexpr std::uint32_t kGraphNode = 1, kGraphTensor = 5, kGraphSparse = 15;
constexpr std::uint32_t kNodeInput = 1, kNodeOutput = 2, kNodeKind = 4, kNodeAttribute = 5, kNodeDomain = 7;
constexpr std::uint32_t kAttributeName = 1, kAttributeInt = 3, kAttributeTensor = 5, kAttributeGraph = 6;
constexpr std::uint32_t kAttributeTensors = 10, kAttributeGraphs = 11;
constexpr std::uint32_t kAttributeSparse[] = {22, 23};
constexpr std::uint32_t kSparseTensors[] = {1, 2};
constexpr std::uint32_t kTensorType = 2, kTensorInt64 = 7, kTensorName = 8, kTensorRaw = 9;
constexpr std::uint32_t kTensorEntries = 13, kTensorLocation = 14;  // external data
constexpr std::uint64_t kInt64 = 7;                                 // TensorProto.DataType

}  // namespace mapt
