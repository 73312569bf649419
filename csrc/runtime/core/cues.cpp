#include "runtime/core/cues.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/clones.h"
#include "runtime/core/output_checks.h"
#include "runtime/core/sigmoid.h"
#include "runtime/core/summation.h"

namespace mapt {
namespace {

MAPT_CLONES void sigmoids(const float* logits, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = sigmoid(logits[i]);
}

float sum_squares(const float* values, int64_t count) { return sum_of_block(values, count); }

int32_t calls_for(int32_t count, int32_t rows) { return (count + rows - 1) / rows; }

}  // namespace

Cues::Cues(const ModelInfo& info, Association association)
    : info_(info),
      association_(association),
      staged_(info.rows() * info.cells8()),
      rows_(info.rows()),
      embeddings_(int64_t{info.slots()} * info.sizes.E),
      squares_(info.sizes.E) {
  reserve(info.slots());
}

void Cues::reserve(int32_t active) {
  masks_.reserve(active);
  carried_.resize(std::max<size_t>(carried_.size(), active * info_.cells8()));
  const auto calls = static_cast<size_t>(calls_for(std::max(active, info_.slots()), info_.rows()));
  given_.resize(std::max(given_.size(), calls));
}

Status Cues::run(Network* network, const CueRequest& request, const Estimates& estimates, Stopwatch* watch) {
  masks_.clear();
  if (request.before) {
    for (const Track& track : request.before->tracks) {
      if (track.lost == 0) masks_.push_back({request.before->masks.row(track.mask), {}, 0});
    }
  }
  const auto count = static_cast<int32_t>(request.instances->size());
  count_calls(count);
  degraded_ = estimates.left_out(calls_, watch->left_ms());
  for (const Head head : {Head::kMotion, Head::kAppearance}) {
    if (degraded_ & bit(head)) calls_[head] = 0;
  }
  std::fill_n(embeddings_.begin(), int64_t{count} * info_.sizes.E, 0.0f);
  if (!calls_[Head::kMotion]) {
    for (CoarseMask& mask : masks_) mask = measured(mask.cells);
    return {};
  }
  Stopwatch::Block motion(watch, Timed::kMotion);
  const Status status = propagate(network, request);
  motion.end();
  if (!status.ok() || !calls_[Head::kAppearance]) return status;
  const Stopwatch::Block appearance(watch, Timed::kAppearance);
  return embed(network, request);
}

// "iou" needs neither head, "motion" no appearance.
void Cues::count_calls(int32_t instances) {
  const auto most = std::max(static_cast<int32_t>(masks_.size()), instances);
  const bool still = association_ == Association::kIou;
  calls_[Head::kMotion] = still ? 0 : calls_for(most, info_.rows());
  const bool blind = still || association_ == Association::kMotion;
  calls_[Head::kAppearance] = blind ? 0 : calls_for(instances, info_.rows());
}

// Runs the motion head on any number of tracks and detections, N rows at a time. All calls are queued before one is
// waited for.
Status Cues::propagate(Network* network, const CueRequest& request) {
  const int64_t cells = info_.cells8();
  const auto tracks = static_cast<int32_t>(masks_.size());
  for (int32_t chunk = 0; chunk < calls_[Head::kMotion]; ++chunk) {
    const int32_t start = chunk * info_.rows();
    MotionCall call;
    call.chunk = chunk;
    call.before = request.before ? request.before_slot : request.now_slot;
    call.now = request.now_slot;
    call.tracks = std::clamp(tracks - start, 0, info_.rows());
    for (int32_t i = 0; i < call.tracks; ++i) std::copy_n(masks_[start + i].cells, cells, staged_.begin() + i * cells);
    std::fill(staged_.begin() + call.tracks * cells, staged_.end(), 0.0f);
    call.masks_prev = staged_.data();
    call.detections = choose_rows(*request.instances, start);
    call.rows = rows_.data();
    const Status status = network->motion(call, &given_[chunk]);
    if (!status.ok()) return status;
  }
  Status status = network->wait(nullptr);
  for (int32_t chunk = 0; chunk < calls_[Head::kMotion]; ++chunk) {
    const float* propagated = given_[chunk];
    if (status.ok()) status = check_propagated(propagated, info_);
    if (!status.ok()) return status;
    const int32_t start = chunk * info_.rows();
    for (int32_t i = start; i < std::min(tracks, start + info_.rows()); ++i) {
      float* carried = carried_.data() + i * cells;  // measured while the processor's cache holds it
      sigmoids(propagated + (i - start) * cells, cells, carried);
      masks_[i] = measured(carried);
    }
  }
  return {};
}

CoarseMask Cues::measured(const float* cells) const {
  return measure_mask(cells, info_.height() / kCoarse, info_.width() / kCoarse);
}

Status Cues::embed(Network* network, const CueRequest& request) {
  for (int32_t chunk = 0; chunk < calls_[Head::kAppearance]; ++chunk) {
    const int32_t start = chunk * info_.rows();
    AppearanceCall call;
    call.chunk = chunk;
    call.detections = choose_rows(*request.instances, start);
    call.rows = rows_.data();
    const Status status = network->appearance(call, &given_[chunk]);
    if (!status.ok()) return status;
  }
  const auto count = static_cast<int32_t>(request.instances->size());
  const int64_t size = info_.sizes.E;
  Status status = network->wait(nullptr);
  for (int32_t chunk = 0; chunk < calls_[Head::kAppearance]; ++chunk) {
    if (status.ok()) status = check_embeddings(given_[chunk], info_);
    if (!status.ok()) return status;
    const int32_t start = chunk * info_.rows();
    const int32_t rows = std::min(info_.rows(), count - start);
    std::copy_n(given_[chunk], rows * size, embeddings_.begin() + start * size);
  }
  normalise(count);
  return {};
}

// Lists the detections of a call from `start` on. Returns how many there are.
int32_t Cues::choose_rows(const std::vector<Instance>& instances, int32_t start) {
  const int32_t count = std::clamp(static_cast<int32_t>(instances.size()) - start, 0, info_.rows());
  for (int32_t i = 0; i < info_.rows(); ++i) rows_[i] = i < count ? instances[start + i].row : -1;
  return count;
}

void Cues::normalise(int32_t count) {
  const int32_t size = info_.sizes.E;
  for (int32_t row = 0; row < count; ++row) {
    float* embedding = embeddings_.data() + int64_t{row} * size;
    for (int32_t i = 0; i < size; ++i) squares_[i] = embedding[i] * embedding[i];
    const float length = std::max(std::sqrt(pairwise_sum(squares_.data(), int64_t{size}, sum_squares)), 1e-12f);
    for (int32_t i = 0; i < size; ++i) embedding[i] /= length;
  }
}

}  // namespace mapt
