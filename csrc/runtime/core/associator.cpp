#include "runtime/core/associator.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/core/spatial_gate.h"

namespace mapt {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool any(const float* values, int32_t count) {
  return std::any_of(values, values + count, [](float value) { return value != 0; });
}

Decision continued(Stage stage, const Match& match, double limit) {
  Decision decision;
  decision.stage = stage;
  decision.score = match.score;
  decision.threshold = limit;
  const bool rivalled = std::isfinite(match.runner_up);
  if (rivalled) decision.runner_up = match.runner_up;
  decision.margin = std::abs(match.score - std::max(limit, rivalled ? match.runner_up : limit));
  return decision;
}

}  // namespace

Associator::Associator(const ModelInfo& info, Association association, int32_t capacity)
    : info_(info),
      thresholds_(info.thresholds),
      association_(association),
      iou_(info.height() / kCoarse, info.width() / kCoarse),
      assignment_(capacity, info.slots()) {
  for (auto* values : {&matches_, &rest_}) values->reserve(info.slots());
  for (auto* values : {&active_, &free_}) values->reserve(capacity);
  for (auto* values : {&lacking_, &gate_}) values->reserve(info.slots());
  visible_.reserve(info.slots());
  taken_.reserve(capacity);
  used_.resize(int64_t{capacity} * info.slots());
  track_looks_.resize(int64_t{capacity} * info.sizes.E);
  looks_.resize(int64_t{info.slots()} * info.sizes.E);
}

void Associator::run(const TrackerState& before, const Sighting& seen, std::vector<Decision>* decisions) {
  matches_.assign(seen.instances.size(), -1);
  lacking_.assign(seen.instances.size(), kInfinity);
  gate_.assign(seen.instances.size(), kInfinity);
  taken_.assign(before.tracks.size(), 0);
  if (association_ != Association::kAppearance && !seen.propagated.empty()) match_masks(before, seen, decisions);
  if (association_ == Association::kFull || association_ == Association::kAppearance) {
    match_looks(before, seen, decisions);
  }
}

void Associator::match_masks(const TrackerState& before, const Sighting& seen, std::vector<Decision>* decisions) {
  active_.clear();
  for (size_t i = 0; i < before.tracks.size(); ++i) {
    if (before.tracks[i].lost == 0) active_.push_back(static_cast<int32_t>(i));
  }
  const auto count = static_cast<int32_t>(seen.instances.size());
  visible_.clear();
  for (int32_t i = 0; i < count; ++i) visible_.push_back(iou_.known(seen.masks.row(i), seen.instances[i].cells));
  const double limit = thresholds_.propagation_iou;
  assignment_.start(static_cast<int32_t>(active_.size()), count);
  for (size_t row = 0; row < active_.size(); ++row) {
    for (int32_t i = 0; i < count; ++i) {
      if (before.tracks[active_[row]].label != seen.instances[i].label) continue;
      const double score = iou_(seen.propagated[row], visible_[i]);
      assignment_.at(static_cast<int32_t>(row), i) = {score, true};
      if (score < limit) lacking_[i] = std::min(lacking_[i], limit - score);
    }
  }
  for (const Match& match : assignment_.solve(limit)) {
    const int32_t track = active_[match.row];
    matches_[match.column] = track;
    taken_[track] = 1;
    Decision decision = continued(Stage::kPropagation, match, limit);
    decision.track = before.tracks[track].id;
    decision.detection = match.column;
    decisions->push_back(decision);
  }
}

// Only pairs that are no farther apart than the gate allows can match.
void Associator::match_looks(const TrackerState& before, const Sighting& seen, std::vector<Decision>* decisions) {
  list_candidates(before, seen);
  if (rest_.empty() || free_.empty()) return;
  score_looks(before, seen);
  const double limit = thresholds_.similarity;
  const auto& matches = assignment_.solve(limit);
  note_refused_looks(before, seen);
  for (const Match& match : matches) {
    const int32_t detection = rest_[match.column];
    const double share = used_[match.row * rest_.size() + match.column];
    matches_[detection] = free_[match.row];
    Decision decision = continued(Stage::kAppearance, match, limit);
    decision.track = before.tracks[free_[match.row]].id;
    decision.detection = detection;
    decision.margin = std::min(decision.margin, 1 - share);
    decision.gate = share;
    decisions->push_back(decision);
  }
}

void Associator::list_candidates(const TrackerState& before, const Sighting& seen) {
  const int32_t size = info_.sizes.E;
  rest_.clear();
  free_.clear();
  for (size_t i = 0; i < seen.instances.size(); ++i) {
    if (matches_[i] < 0 && any(seen.embeddings + i * size, size)) rest_.push_back(static_cast<int32_t>(i));
  }
  if (rest_.empty()) return;
  for (size_t i = 0; i < before.tracks.size(); ++i) {
    const bool recent = seconds_between(before.tracks[i].last_seen_ns, seen.stamp_ns) <= thresholds_.max_lost;
    if (!taken_[i] && recent && any(before.embedding(i), size)) free_.push_back(static_cast<int32_t>(i));
  }
}

void Associator::score_looks(const TrackerState& before, const Sighting& seen) {
  const int32_t size = info_.sizes.E;
  const size_t columns = rest_.size();
  for (size_t column = 0; column < columns; ++column) {
    grain(seen.embeddings + int64_t{rest_[column]} * size, size, looks_.data() + column * size);
  }
  assignment_.start(static_cast<int32_t>(free_.size()), static_cast<int32_t>(columns));
  for (size_t row = 0; row < free_.size(); ++row) {
    const Track& track = before.tracks[free_[row]];
    float expected[4];
    expect(track, seen.stamp_ns, expected);
    grain(before.embedding(free_[row]), size, track_looks_.data() + row * size);
    for (size_t column = 0; column < columns; ++column) {
      const Instance& instance = seen.instances[rest_[column]];
      if (track.label != instance.label) continue;  // its score and its share of the gate are never looked at
      const double used = reach_used(expected, instance.box, thresholds_);
      used_[row * columns + column] = used;
      const double score = cosine(track_looks_.data() + row * size, looks_.data() + column * size, size);
      assignment_.at(static_cast<int32_t>(row), static_cast<int32_t>(column)) = {score, used <= 1};
    }
  }
}

void Associator::note_refused_looks(const TrackerState& before, const Sighting& seen) {
  const double limit = thresholds_.similarity;
  for (size_t column = 0; column < rest_.size(); ++column) {
    double lacking = kInfinity;
    double gate = kInfinity;
    for (size_t row = 0; row < free_.size(); ++row) {
      if (before.tracks[free_[row]].label != seen.instances[rest_[column]].label) continue;
      const PairScore& pair = assignment_.at(static_cast<int32_t>(row), static_cast<int32_t>(column));
      if (pair.allowed && pair.score < limit) lacking = std::min(lacking, limit - pair.score);
      if (!pair.allowed && pair.score >= limit) gate = std::min(gate, used_[row * rest_.size() + column]);
    }
    const int32_t instance = rest_[column];
    gate_[instance] = gate;
    lacking_[instance] = std::min(lacking_[instance], std::min(lacking, gate - 1));
  }
}

// The last box, moved on with the track's velocity for at most `foresight` seconds.
void Associator::expect(const Track& track, int64_t stamp_ns, float* box) const {
  const double gone = seconds_between(track.last_seen_ns, stamp_ns);
  const auto seconds = static_cast<float>(std::min(gone, thresholds_.foresight));
  for (int corner = 0; corner < 4; ++corner) box[corner] = track.box[corner] + track.velocity[corner % 2] * seconds;
}

}  // namespace mapt
