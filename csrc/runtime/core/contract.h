// clang-format off
// The contract of a bundle and the constants that both trackers share.
// Made by `python csrc/contract_header.py`; Python modules own the values.
#pragma once

#include <cstdint>

namespace mapt {

constexpr int32_t kLargest = 65536;
constexpr int32_t kVoid = 255;
constexpr int32_t kBundleFormat = 8;
constexpr int32_t kBundleSizesFormat = 9;
constexpr int32_t kBundleBatchFormat = 10;
constexpr int32_t kPairLimit = 32767;
constexpr int32_t kStateVersion = 2;
constexpr const char* kStateKind = "STAT";
constexpr double kFar = 1e+18;
constexpr double kUnit = 1.01;
constexpr int64_t kMaxId = 2147483647;
constexpr int64_t kMaxStamp = 9223372036854775807;
constexpr int32_t kMostSide = 65535;
constexpr int64_t kMostPixels = 1073741824;
constexpr int32_t kStride = 4;
constexpr int32_t kCoarse = 8;
constexpr float kTail = 0.0001f;
constexpr double kGrain = 1.4901161193847656e-08;
constexpr float kSigmoidLimit = 14.0f;
constexpr float kSigmoidP0 = 112398.266f;
constexpr float kSigmoidP1 = 3456.87354f;
constexpr float kSigmoidP2 = 15.995636f;
constexpr float kSigmoidP3 = 0.0069019706f;
constexpr float kSigmoidQ0 = 449595.0f;
constexpr float kSigmoidQ1 = 51292.074f;
constexpr float kSigmoidQ2 = 592.12103f;
constexpr double kRise = 0.5;
constexpr double kFall = 0.25;
constexpr double kOutlier = 2.0;
constexpr double kForget = 0.8;

enum class Subgraph { kBackbone, kSemantic, kInstance, kMotion, kAppearance, kCount };
constexpr const char* kSubgraphNames[] = {"backbone", "semantic", "instance", "motion", "appearance"};

enum class Head { kAppearance, kMotion, kCount };
constexpr const char* kHeadNames[] = {"appearance", "motion"};

enum class Stage { kPropagation, kAppearance, kBirth, kLost, kRemoved, kOverflow, kCount };
constexpr const char* kStageNames[] = {"propagation", "appearance", "birth", "lost", "removed", "overflow"};

enum class Alarm { kBlind, kFrozen, kSaturated, kEmpty, kChurn, kCount };
constexpr const char* kAlarmNames[] = {"blind", "frozen", "saturated", "empty", "churn"};

enum class Association { kFull, kMotion, kAppearance, kIou, kCount };
constexpr const char* kAssociationNames[] = {"full", "motion", "appearance", "iou"};

enum class HealthStatus { kOk, kDegraded, kLate, kNoInput, kInvalid, kFault, kCount };
constexpr const char* kHealthStatusNames[] = {"OK", "DEGRADED", "LATE", "NO_INPUT", "INVALID", "FAULT"};

// Every shape symbol with its value.
struct Sizes {
  int32_t H = 0, W = 0, K = 0, T = 0, D = 0, N = 0, F = 0, S = 0, C = 0, M = 0, E = 0;
};

struct SizeSymbol {
  char symbol;
  int32_t Sizes::* size;
};
constexpr SizeSymbol kSymbols[] = {{'H', &Sizes::H}, {'W', &Sizes::W}, {'K', &Sizes::K}, {'T', &Sizes::T}, {'D', &Sizes::D}, {'N', &Sizes::N}, {'F', &Sizes::F}, {'S', &Sizes::S}, {'C', &Sizes::C}, {'M', &Sizes::M}, {'E', &Sizes::E}};

// Decision limits; `mapt/contract.py: Thresholds` explains them.
struct Thresholds {
  double score = 0.4;
  double birth = 0.0;
  double semantic_limit = 1.0;
  double overlap = 0.2;
  int64_t min_area = 32;
  int64_t stuff_area = 64;
  double propagation_iou = 0.3;
  double similarity = 0.94;
  double reach = 1.5;
  double resize = 3.0;
  double foresight = 0.5;
  double velocity_momentum = 0.7;
  double max_lost = 1.5;
  double max_gap = 0.6;
  double embedding_momentum = 0.7;
  int64_t tracks_per_object = 4;
  double max_jump = 3600.0;
  int64_t blind_range = 8;
  int64_t churn_window = 10;
  int64_t churn_objects = 20;
  double churn_share = 0.5;
  double deadline_reserve = 1.25;
};

// A limit is a whole number or not, and lies within a range.
struct ThresholdRange {
  const char* name;
  int64_t Thresholds::* whole;  // null where it is any number
  double Thresholds::* number;
  double low, high;
};
constexpr ThresholdRange kRanges[] = {
    {"score", nullptr, &Thresholds::score, 0.0, 1.0},
    {"birth", nullptr, &Thresholds::birth, 0.0, 1.0},
    {"semantic_limit", nullptr, &Thresholds::semantic_limit, 0.0, 2147483648.0},
    {"overlap", nullptr, &Thresholds::overlap, 0.0, 1.0},
    {"min_area", &Thresholds::min_area, nullptr, 0.0, 2147483648.0},
    {"stuff_area", &Thresholds::stuff_area, nullptr, 0.0, 2147483648.0},
    {"propagation_iou", nullptr, &Thresholds::propagation_iou, 0.0, 1.0},
    {"similarity", nullptr, &Thresholds::similarity, -1.0, 1.0},
    {"reach", nullptr, &Thresholds::reach, 0.01, 2147483648.0},
    {"resize", nullptr, &Thresholds::resize, 1.0, 2147483648.0},
    {"foresight", nullptr, &Thresholds::foresight, 0.0, 2147483648.0},
    {"velocity_momentum", nullptr, &Thresholds::velocity_momentum, 0.0, 1.0},
    {"max_lost", nullptr, &Thresholds::max_lost, 0.0, 2147483648.0},
    {"max_gap", nullptr, &Thresholds::max_gap, 0.0, 2147483648.0},
    {"embedding_momentum", nullptr, &Thresholds::embedding_momentum, 0.0, 1.0},
    {"tracks_per_object", &Thresholds::tracks_per_object, nullptr, 1.0, 1000.0},
    {"max_jump", nullptr, &Thresholds::max_jump, 0.0, 2147483648.0},
    {"blind_range", &Thresholds::blind_range, nullptr, 0.0, 255.0},
    {"churn_window", &Thresholds::churn_window, nullptr, 1.0, 1000.0},
    {"churn_objects", &Thresholds::churn_objects, nullptr, 1.0, 2147483648.0},
    {"churn_share", nullptr, &Thresholds::churn_share, 0.0, 1.0},
    {"deadline_reserve", nullptr, &Thresholds::deadline_reserve, 1.0, 100.0},
};

// A dimension: a number where `symbol` is 0, else a symbol divided by `size`.
struct Dim {
  char symbol;
  int32_t size;
};

struct TensorSpec {
  const char* name;
  const char* dtype;
  int32_t rank;
  Dim shape[4];
  bool host;  // an input that the host makes, or an output that it reads in every frame
};

struct SubgraphSpec {
  const char* name;
  const TensorSpec* inputs;
  int32_t input_count;
  const TensorSpec* outputs;
  int32_t output_count;
};
constexpr TensorSpec kBackboneInputs[] = {
    {"image", "uint8", 4, {{0, 1}, {'H', 1}, {'W', 1}, {0, 3}}, true},
};
constexpr TensorSpec kBackboneOutputs[] = {
    {"p4", "float32", 4, {{0, 1}, {'F', 1}, {'H', 4}, {'W', 4}}, false},
    {"p8", "float32", 4, {{0, 1}, {'F', 1}, {'H', 8}, {'W', 8}}, false},
    {"p16", "float32", 4, {{0, 1}, {'F', 1}, {'H', 16}, {'W', 16}}, false},
    {"p32", "float32", 4, {{0, 1}, {'F', 1}, {'H', 32}, {'W', 32}}, false},
    {"c16", "float32", 4, {{0, 1}, {'C', 1}, {'H', 16}, {'W', 16}}, false},
};
constexpr TensorSpec kSemanticInputs[] = {
    {"c16", "float32", 4, {{0, 1}, {'C', 1}, {'H', 16}, {'W', 16}}, false},
    {"p4", "float32", 4, {{0, 1}, {'F', 1}, {'H', 4}, {'W', 4}}, false},
    {"p8", "float32", 4, {{0, 1}, {'F', 1}, {'H', 8}, {'W', 8}}, false},
};
constexpr TensorSpec kSemanticOutputs[] = {
    {"s", "float32", 4, {{0, 1}, {'S', 1}, {'H', 8}, {'W', 8}}, false},
    {"logits", "float32", 4, {{0, 1}, {'K', 1}, {'H', 4}, {'W', 4}}, false},
    {"margins", "float32", 4, {{0, 1}, {'T', 1}, {'H', 4}, {'W', 4}}, true},
    {"labels", "uint8", 3, {{0, 1}, {'H', 1}, {'W', 1}}, true},
};
constexpr TensorSpec kInstanceInputs[] = {
    {"p4", "float32", 4, {{0, 1}, {'F', 1}, {'H', 4}, {'W', 4}}, false},
    {"p8", "float32", 4, {{0, 1}, {'F', 1}, {'H', 8}, {'W', 8}}, false},
    {"p16", "float32", 4, {{0, 1}, {'F', 1}, {'H', 16}, {'W', 16}}, false},
    {"p32", "float32", 4, {{0, 1}, {'F', 1}, {'H', 32}, {'W', 32}}, false},
};
constexpr TensorSpec kInstanceOutputs[] = {
    {"boxes", "float32", 2, {{'D', 1}, {0, 4}}, true},
    {"scores", "float32", 1, {{'D', 1}}, true},
    {"classes", "int32", 1, {{'D', 1}}, true},
    {"mask_logits", "float32", 3, {{'D', 1}, {0, 28}, {0, 28}}, true},
    {"masks8", "float32", 4, {{'D', 1}, {0, 1}, {'H', 8}, {'W', 8}}, false},
    {"count", "int32", 1, {{0, 1}}, true},
};
constexpr TensorSpec kMotionInputs[] = {
    {"s_prev", "float32", 4, {{0, 1}, {'S', 1}, {'H', 8}, {'W', 8}}, false},
    {"s", "float32", 4, {{0, 1}, {'S', 1}, {'H', 8}, {'W', 8}}, false},
    {"masks_prev", "float32", 4, {{'N', 1}, {0, 1}, {'H', 8}, {'W', 8}}, true},
    {"masks8", "float32", 4, {{'D', 1}, {0, 1}, {'H', 8}, {'W', 8}}, false},
    {"boxes", "float32", 2, {{'D', 1}, {0, 4}}, false},
    {"rows", "int32", 1, {{'N', 1}}, true},
};
constexpr TensorSpec kMotionOutputs[] = {
    {"propagated", "float32", 4, {{'N', 1}, {0, 1}, {'H', 8}, {'W', 8}}, true},
    {"f_p", "float32", 4, {{'N', 1}, {'M', 1}, {0, 7}, {0, 7}}, false},
};
constexpr TensorSpec kAppearanceInputs[] = {
    {"p4", "float32", 4, {{0, 1}, {'F', 1}, {'H', 4}, {'W', 4}}, false},
    {"p8", "float32", 4, {{0, 1}, {'F', 1}, {'H', 8}, {'W', 8}}, false},
    {"p16", "float32", 4, {{0, 1}, {'F', 1}, {'H', 16}, {'W', 16}}, false},
    {"p32", "float32", 4, {{0, 1}, {'F', 1}, {'H', 32}, {'W', 32}}, false},
    {"boxes", "float32", 2, {{'D', 1}, {0, 4}}, false},
    {"mask_logits", "float32", 3, {{'D', 1}, {0, 28}, {0, 28}}, false},
    {"rows", "int32", 1, {{'N', 1}}, true},
    {"f_p", "float32", 4, {{'N', 1}, {'M', 1}, {0, 7}, {0, 7}}, false},
};
constexpr TensorSpec kAppearanceOutputs[] = {
    {"embeddings", "float32", 2, {{'N', 1}, {'E', 1}}, true},
};
constexpr SubgraphSpec kSubgraphs[] = {
    {"backbone", kBackboneInputs, 1, kBackboneOutputs, 5},
    {"semantic", kSemanticInputs, 3, kSemanticOutputs, 4},
    {"instance", kInstanceInputs, 4, kInstanceOutputs, 6},
    {"motion", kMotionInputs, 6, kMotionOutputs, 2},
    {"appearance", kAppearanceInputs, 8, kAppearanceOutputs, 1},
};

}  // namespace mapt
