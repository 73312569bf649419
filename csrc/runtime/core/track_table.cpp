#include "runtime/core/track_table.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/summation.h"

namespace mapt {
namespace {

Decision ended(Stage stage, int32_t track, double seconds, double limit) {
  Decision decision;
  decision.stage = stage;
  decision.track = track;
  decision.score = seconds;
  decision.threshold = limit;
  decision.margin = std::abs(seconds - limit);
  return decision;
}

float sum_squares(const float* values, int64_t count) { return sum_of_block(values, count); }

}  // namespace

TrackTable::TrackTable(const ModelInfo& info, Association association, int32_t capacity)
    : info_(info),
      thresholds_(info.thresholds),
      capacity_(capacity),
      associator_(info, association, capacity),
      squares_(info.sizes.E) {
  ids_.reserve(info.slots());
  seen_as_.reserve(capacity);
  sources_.reserve(capacity + info.slots());
  surplus_.reserve(capacity + info.slots());
}

Status TrackTable::update(const TrackerState& before, const Sighting& seen, TrackerState* after,
                          std::vector<Decision>* decisions) {
  associator_.run(before, seen, decisions);
  sources_.clear();
  go_on(before, seen);
  int64_t next_id = before.next_id;
  const Status status = bear(seen, &next_id, decisions);
  if (!status.ok()) return status;
  drop_lost(seen.stamp_ns, decisions);
  drop_surplus(seen.stamp_ns, decisions);
  after->next_id = next_id;
  write(seen, after);
  return {};
}

// The tracks of the state before, those that are seen and those that are missed.
void TrackTable::go_on(const TrackerState& before, const Sighting& seen) {
  const auto& matches = associator_.matches();
  ids_.assign(matches.size(), 0);
  seen_as_.assign(before.tracks.size(), -1);
  for (size_t i = 0; i < matches.size(); ++i) {
    if (matches[i] < 0) continue;
    ids_[i] = before.tracks[matches[i]].id;
    seen_as_[matches[i]] = static_cast<int32_t>(i);
  }
  for (size_t i = 0; i < before.tracks.size(); ++i) {
    Source source;
    source.embedding = before.embedding(i);
    source.instance = seen_as_[i];
    if (source.instance >= 0) {
      source.track = sighted(before.tracks[i], seen, source.instance);
    } else {
      source.track = before.tracks[i];
      source.track.mask = -1;
      source.track.lost += 1;
    }
    source.track.age += 1;
    sources_.push_back(source);
  }
}

// A track where an instance continues it. Its velocity mixes the old one with the one since the last sighting.
Track TrackTable::sighted(const Track& before, const Sighting& seen, int32_t instance) const {
  const Instance& now = seen.instances[instance];
  Track track = before;
  const auto keep = static_cast<float>(thresholds_.velocity_momentum);
  const auto seconds = static_cast<float>(seconds_between(before.last_seen_ns, seen.stamp_ns));
  for (int axis = 0; axis < 2; ++axis) {
    const float low = now.box[axis] - before.box[axis];
    const float high = now.box[axis + 2] - before.box[axis + 2];
    const float moved = (low + high) / (2.0f * seconds);
    track.velocity[axis] = before.velocity[axis] * keep + moved * (1.0f - keep);
  }
  std::copy(now.box, now.box + 4, track.box);
  track.score = now.score;
  track.mask = instance;
  track.lost = 0;
  track.last_seen_ns = seen.stamp_ns;
  return track;
}

// New tracks for the instances that continue none and are not too weak.
Status TrackTable::bear(const Sighting& seen, int64_t* next_id, std::vector<Decision>* decisions) {
  for (size_t i = 0; i < ids_.size(); ++i) {
    if (ids_[i] || seen.instances[i].score < thresholds_.birth) continue;
    if (*next_id > kMaxId) {
      return Status::of(Code::kStep, "ids are used up after %lld; start a new tracker", static_cast<long long>(kMaxId));
    }
    const Instance& instance = seen.instances[i];
    Source source;
    source.instance = static_cast<int32_t>(i);
    source.track.id = static_cast<int32_t>(*next_id);
    source.track.label = instance.label;
    source.track.score = instance.score;
    std::copy(instance.box, instance.box + 4, source.track.box);
    source.track.last_seen_ns = seen.stamp_ns;
    source.track.mask = source.instance;
    sources_.push_back(source);
    Decision decision;
    decision.stage = Stage::kBirth;
    decision.track = source.track.id;
    decision.detection = source.instance;
    decision.score = instance.score;
    decision.threshold = std::max(thresholds_.score, thresholds_.birth);
    decision.margin = std::min(std::abs(decision.score - decision.threshold), associator_.lacking(source.instance));
    if (std::isfinite(associator_.gate(source.instance))) decision.gate = associator_.gate(source.instance);
    decisions->push_back(decision);
    ids_[i] = source.track.id;
    ++*next_id;
  }
  return {};
}

// Removes tracks that have been lost for too long.
void TrackTable::drop_lost(int64_t stamp_ns, std::vector<Decision>* decisions) {
  const double limit = thresholds_.max_lost;
  for (Source& source : sources_) {
    const double gone = seconds_between(source.track.last_seen_ns, stamp_ns);
    source.kept = !(gone > limit);
    if (!source.kept) {
      decisions->push_back(ended(Stage::kRemoved, source.track.id, gone, limit));
    } else if (source.track.lost == 1) {
      decisions->push_back(ended(Stage::kLost, source.track.id, gone, limit));
    }
  }
}

// Keeps at most as many tracks as the table has room for. Those lost for longest go first; among equals, the oldest.
void TrackTable::drop_surplus(int64_t stamp_ns, std::vector<Decision>* decisions) {
  int32_t kept = 0;
  surplus_.clear();
  for (size_t i = 0; i < sources_.size(); ++i) {
    kept += sources_[i].kept;
    if (sources_[i].kept && sources_[i].track.lost) surplus_.push_back(static_cast<int32_t>(i));
  }
  const int32_t surplus = std::min(kept - capacity_, static_cast<int32_t>(surplus_.size()));
  if (surplus <= 0) return;
  std::sort(surplus_.begin(), surplus_.end(), [this](int32_t a, int32_t b) {
    const Track& one = sources_[a].track;
    const Track& other = sources_[b].track;
    return one.last_seen_ns != other.last_seen_ns ? one.last_seen_ns < other.last_seen_ns : one.id < other.id;
  });
  for (int32_t i = 0; i < surplus; ++i) {
    Source& source = sources_[surplus_[i]];
    source.kept = false;
    const double gone = seconds_between(source.track.last_seen_ns, stamp_ns);
    decisions->push_back(ended(Stage::kOverflow, source.track.id, gone, thresholds_.max_lost));
  }
}

void TrackTable::write(const Sighting& seen, TrackerState* after) {
  const int32_t size = info_.sizes.E;
  after->tracks.clear();
  for (const Source& source : sources_) {
    if (!source.kept) continue;
    float* embedding = after->embedding(after->tracks.size());
    after->tracks.push_back(source.track);
    const float* look = source.instance < 0 ? nullptr : seen.embeddings + int64_t{source.instance} * size;
    const bool known = look && std::any_of(look, look + size, [](float value) { return value != 0; });
    if (source.embedding && known) {
      mix_looks(source.embedding, look, embedding);
    } else {
      const float* kept = source.embedding ? source.embedding : look;
      std::copy(kept, kept + size, embedding);
    }
  }
}

// The new embedding of a track: the old one and the instance's, of unit length.
void TrackTable::mix_looks(const float* before, const float* look, float* mixed) {
  const int32_t size = info_.sizes.E;
  const auto keep = static_cast<float>(thresholds_.embedding_momentum);
  const float rest = 1.0f - keep;
  for (int32_t i = 0; i < size; ++i) mixed[i] = before[i] * keep + look[i] * rest;
  for (int32_t i = 0; i < size; ++i) squares_[i] = mixed[i] * mixed[i];
  const float length = std::max(std::sqrt(pairwise_sum(squares_.data(), int64_t{size}, sum_squares)), 1e-12f);
  for (int32_t i = 0; i < size; ++i) mixed[i] /= length;
}

}  // namespace mapt
