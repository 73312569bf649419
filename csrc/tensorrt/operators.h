// The operators that are plugins, of the names, inputs and attributes that mapt/ops gives the nodes of its domain.
#pragma once

#include "tensorrt/plugin.h"

namespace mapt_trt {

// input (N,C,h,w), offset (N or 1, 2*k*k, oh, ow) float32, weight (O,C,k,k), perhaps bias (O) -> (N,O,oh,ow)
struct DeformConv2d {
  static constexpr const char* kName = "DeformConv2d";
  static constexpr Field kDeclared[] = {
      {"stride", 1, 1, mapt::kMaxStep}, {"padding", 1, 0, mapt::kMaxStep}, {"dilation", 1, 1, mapt::kMaxStep}};
  static constexpr int32_t kCount = 3, kMinInputs = 3, kMaxInputs = 4, kRanks[] = {4, 4, 4, 1};
  static constexpr bool is_float32(int32_t input) { return input == 1; }

  static DimsExprs shape(const Fields&, const DimsExprs* inputs, IExprBuilder& exprs);
  static std::string check(const Fields& fields, const Sizes& sizes);
  static size_t workspace(const Fields&, const Sizes&) { return 0; }
  template <class T>
  static const char* run(const Fields& fields, const Call& call);
};

// p4, p8, p16, p32, each (B,F,h,w), boxes (R,5) float32 [batch index, x1, y1, x2, y2] -> (R,F,size,size)
struct MultiscaleRoiAlign {
  static constexpr const char* kName = "MultiscaleRoiAlign";
  static constexpr Field kDeclared[] = {{"output_size", 1, 1, mapt::kMaxBins},
                                        {"strides", mapt::kLevels, 1, mapt::kMaxStep},
                                        {"sampling_ratio", 1, 1, mapt::kMaxSamples}};
  static constexpr int32_t kCount = 3, kMinInputs = 5, kMaxInputs = 5, kRanks[] = {4, 4, 4, 4, 2};
  static constexpr bool is_float32(int32_t input) { return input == 4; }

  static DimsExprs shape(const Fields& fields, const DimsExprs* inputs, IExprBuilder& exprs);
  static std::string check(const Fields& fields, const Sizes& sizes);
  static size_t workspace(const Fields&, const Sizes&) { return 0; }
  template <class T>
  static const char* run(const Fields& fields, const Call& call);
};

// masks (N,1,h,w), offsets (4,18,h,w) float32, weights (4,C,1,3,3), projection (4*C), bias (1) -> logits (N,1,h,w)
struct PropagateMasks {
  static constexpr const char* kName = "PropagateMasks";
  static constexpr const Field* kDeclared = nullptr;
  static constexpr int32_t kCount = 0, kMinInputs = 5, kMaxInputs = 5, kRanks[] = {4, 4, 5, 1, 1};
  static constexpr bool is_float32(int32_t input) { return input == 1; }

  static DimsExprs shape(const Fields&, const DimsExprs* inputs, IExprBuilder& exprs);
  static std::string check(const Fields& fields, const Sizes& sizes);
  static size_t workspace(const Fields&, const Sizes& sizes);
  template <class T>
  static const char* run(const Fields& fields, const Call& call);
};

// masks, offsets, weights as above, boxes (N,4) float32 in input pixels -> features (N,4*C,7,7)
struct PropagatedFeatures {
  static constexpr const char* kName = "PropagatedFeatures";
  static constexpr const Field* kDeclared = nullptr;
  static constexpr int32_t kCount = 0, kMinInputs = 4, kMaxInputs = 4, kRanks[] = {4, 4, 5, 2};
  static constexpr bool is_float32(int32_t input) { return input == 1 || input == 3; }

  static DimsExprs shape(const Fields&, const DimsExprs* inputs, IExprBuilder& exprs);
  static std::string check(const Fields& fields, const Sizes& sizes);
  static size_t workspace(const Fields&, const Sizes& sizes);
  template <class T>
  static const char* run(const Fields& fields, const Call& call);
};

}  // namespace mapt_trt
