// What a step returns; `runtime/frame.py` explains every field.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "runtime/core/contract.h"

namespace mapt {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();  // where Python has None

struct FrameTrack {
  int32_t id = 0;
  int32_t label = 0;
  double score = 0;
  double box[4] = {};  // xyxy, pixels of the image
  int64_t age = 0;
  int64_t lost = 0;  // frames since it was last seen
};

struct Decision {
  Stage stage = Stage::kBirth;
  int32_t track = 0;
  int32_t detection = -1;  // -1: none
  double score = 0;
  double runner_up = kNone;
  double threshold = 0;
  double margin = 0;
  double gate = kNone;
};

// The stages of a step that are timed.
enum class Timed {
  kFrame,
  kPreprocess,
  kBackbone,
  kSemantic,
  kInstance,
  kFusion,
  kMotion,
  kAppearance,
  kAssociation,
  kOutput,
  kCount
};
constexpr int kTimed = static_cast<int>(Timed::kCount);

// Milliseconds by stage; kNone where a stage did not run.
struct Timings {
  double ms[kTimed];

  Timings() {
    for (double& value : ms) value = kNone;
  }
  double& operator[](Timed stage) { return ms[static_cast<int>(stage)]; }
  double operator[](Timed stage) const { return ms[static_cast<int>(stage)]; }
};

constexpr uint32_t bit(Alarm alarm) { return 1u << static_cast<int>(alarm); }
constexpr uint32_t bit(Head head) { return 1u << static_cast<int>(head); }

struct Frame {
  int32_t height = 0;
  int32_t width = 0;
  std::vector<uint8_t> semantic;   // (height,width) train ids
  std::vector<int32_t> instance;   // (height,width) track ids, 0 = none
  std::vector<FrameTrack> tracks;  // visible ones first, then lost ones, each by id
  std::vector<Decision> decisions;
  Timings timings;
  int64_t stamp_ns = 0;
  int64_t overflow = 0;
  uint32_t degraded = 0;  // a bit a Head
  uint32_t alarms = 0;    // a bit an Alarm
};

}  // namespace mapt
