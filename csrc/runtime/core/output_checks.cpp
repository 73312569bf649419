#include "runtime/core/output_checks.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "runtime/core/clones.h"
#include "runtime/core/detections.h"

namespace mapt {
namespace {

// A number times zero is zero, unless it is NaN or infinite: then it is NaN, and so is every sum with it.
MAPT_CLONES bool finite(const float* values, int64_t count) {
  float sums[16] = {};
  int64_t at = 0;
  for (; at + 16 <= count; at += 16) {
    for (int lane = 0; lane < 16; ++lane) sums[lane] += values[at + lane] * 0.0f;
  }
  for (; at < count; ++at) sums[0] += values[at] * 0.0f;
  for (int lane = 1; lane < 16; ++lane) sums[0] += sums[lane];
  return sums[0] == 0.0f;
}

MAPT_CLONES int highest(const uint8_t* values, int64_t count) {
  uint8_t high = 0;
  for (int64_t i = 0; i < count; ++i) high = std::max(high, values[i]);
  return high;
}

struct Output {
  const char* name;
  const float* values;
  int64_t count;
};

Status check_finite(const char* subgraph, const Output& output) {
  if (!output.values || finite(output.values, output.count)) return {};
  return Status::of(Code::kOutput, "%s: %s holds NaN or infinity; frame dropped", subgraph, output.name);
}

// The train ids of things, as Python writes a tuple.
std::string listed(const std::vector<int32_t>& things) {
  std::string text = "(";
  for (size_t i = 0; i < things.size(); ++i) text += (i ? ", " : "") + std::to_string(things[i]);
  return text + (things.size() == 1 ? ",)" : ")");
}

Status check_ranges(const Perception& seen, const ModelInfo& info) {
  if (seen.count < 0 || seen.count > info.slots()) {
    return Status::of(Code::kOutput, "instance: count is %d, not within 0..%d; frame dropped", seen.count,
                      info.slots());
  }
  for (int32_t i = 0; i < seen.count; ++i) {
    if (std::find(info.things.begin(), info.things.end(), seen.classes[i]) == info.things.end()) {
      return Status::of(Code::kOutput, "instance: a class is none of the things %s; frame dropped",
                        listed(info.things).c_str());
    }
  }
  for (int32_t i = 0; i < seen.count; ++i) {
    if (!(seen.scores[i] >= 0 && seen.scores[i] <= 1)) {
      return Status::of(Code::kOutput, "instance: a score is outside [0,1]; frame dropped");
    }
  }
  return {};
}

}  // namespace

Status check_semantic(const Perception& seen, const ModelInfo& info) {
  const auto things = static_cast<int64_t>(info.things.size());
  const Status status = check_finite("semantic", {"margins", seen.margins, things * info.cells4()});
  if (!status.ok()) return status;
  const int label = highest(seen.labels, info.pixels());
  if (label < info.sizes.K) return {};
  return Status::of(Code::kOutput, "semantic: a label is %d, not within 0..%d; frame dropped", label, info.sizes.K - 1);
}

Status check_instance(const Perception& seen, const ModelInfo& info) {
  const int64_t slots = info.slots();
  const Output outputs[] = {{"boxes", seen.boxes, slots * 4},
                            {"scores", seen.scores, slots},
                            {"mask_logits", seen.mask_logits, slots * kMaskSide * kMaskSide},
                            {"masks8", seen.masks8, slots * info.cells8()}};
  for (const Output& output : outputs) {
    const Status status = check_finite("instance", output);
    if (!status.ok()) return status;
  }
  return check_ranges(seen, info);
}

Status check_logits(const float* logits, const LogitRows& wanted, const ModelInfo& info) {
  const int64_t width = info.width() / kStride;
  Status status;
  for (int32_t i = 0; i < wanted.count && status.ok(); ++i) {
    const float* plane = logits + wanted.classes[i] * info.cells4();
    for (int32_t y = 0; y < info.height() / kStride && status.ok(); ++y) {
      if (wanted.rows[y]) status = check_finite("semantic", {"logits", plane + y * width, width});
    }
  }
  return status;
}

Status check_propagated(const float* propagated, const ModelInfo& info) {
  return check_finite("motion", {"propagated", propagated, info.rows() * info.cells8()});
}

Status check_embeddings(const float* embeddings, const ModelInfo& info) {
  return check_finite("appearance", {"embeddings", embeddings, int64_t{info.rows()} * info.sizes.E});
}

}  // namespace mapt
