#include "runtime/core/persistence.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>

#include "runtime/core/packing.h"
#include "runtime/core/summation.h"

namespace mapt {
namespace {

// Why bytes are refused.
struct Refused : std::exception {
  explicit Refused(std::string text) : text(std::move(text)) {}
  std::string text;
};

void must(bool holds, const char* otherwise) {
  if (!holds) throw Refused(otherwise);
}

const Json& member(const Json& meta, const char* name) {
  const Json* found = meta.find(name);
  must(found, "they are malformed");
  return *found;
}

int64_t whole(const Json& value, int64_t low, int64_t high) {
  must(value.kind == Json::kInteger && value.integer >= low && value.integer <= high, "a number is out of range");
  return value.integer;
}

// The time of a frame; false where there was none.
bool read_time(const Json& value, int64_t* time) {
  if (value.kind == Json::kNull) return false;
  *time = whole(value, 0, kMaxStamp);
  return true;
}

// A column of numbers, one a track.
template <class T>
std::vector<T> column(const Unpacked& blob, const char* name, const char* dtype, int64_t count) {
  const PackedArray* found = blob.find(name);
  must(found, "they are malformed");
  must(found->shape.size() == 1 && found->shape[0] == count, "their columns differ in length");
  must(found->dtype == dtype, "their columns have wrong types");
  std::vector<T> values(count);
  if (count) std::memcpy(values.data(), found->data, found->bytes);
  return values;
}

// Finite float32 numbers of a shape; an empty one need not be there.
std::vector<float> floats(const Unpacked& blob, const char* name, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  std::vector<float> values(count);
  if (!count) return values;
  const PackedArray* found = blob.find(name);
  must(found, "they are malformed");
  bool right = found->dtype == "float32" && found->shape == shape;
  if (right) std::memcpy(values.data(), found->data, found->bytes);
  for (const float value : values) right = right && std::isfinite(value);
  if (!right) {
    std::string sides;
    for (const int64_t side : shape) sides += (sides.empty() ? "" : ", ") + std::to_string(side);
    throw Refused(std::string(name) + " is not finite float32 (" + sides + (shape.size() == 1 ? ",)" : ")"));
  }
  return values;
}

double sum_doubles(const double* values, int64_t count) { return sum_of_block(values, count); }

bool within_unit(const float* embedding, int64_t size) {
  std::vector<double> squares(size);
  for (int64_t i = 0; i < size; ++i) squares[i] = static_cast<double>(embedding[i]) * embedding[i];
  return std::sqrt(pairwise_sum(squares.data(), size, sum_doubles)) <= kUnit;
}

void read_tracks(const Unpacked& blob, const StateOwner& owner, TrackerState* state) {
  const PackedArray* listed = blob.find("id");
  must(listed && listed->shape.size() == 1, "they are malformed");
  const int64_t count = listed->shape[0];
  const auto ids = column<int32_t>(blob, "id", "int32", count);
  const auto labels = column<int32_t>(blob, "label", "int32", count);
  const auto scores = column<double>(blob, "score", "float64", count);
  const auto ages = column<int64_t>(blob, "age", "int64", count);
  const auto lost = column<int64_t>(blob, "lost", "int64", count);
  const auto seen = column<int64_t>(blob, "seen_ns", "int64", count);
  must(count <= owner.capacity, "there are too many tracks");
  const auto boxes = floats(blob, "box", {count, 4});
  const auto looks = floats(blob, "embedding", {count, owner.info.sizes.E});
  const auto velocities = floats(blob, "velocity", {count, 2});
  const auto& things = owner.info.things;
  state->tracks.clear();
  int64_t before = 0;
  for (int64_t i = 0; i < count; ++i) {
    must(ids[i] > before && ids[i] < state->next_id, "their ids do not rise");
    must(std::find(things.begin(), things.end(), labels[i]) != things.end(), "a label is no thing");
    must(scores[i] >= 0 && scores[i] <= 1, "a score is outside [0,1]");
    must(lost[i] >= 0 && lost[i] <= ages[i], "an age is wrong");
    must(state->known, "they are incomplete");
    must(seen[i] >= 0 && seen[i] <= state->stamp_ns, "a time lies ahead");
    must(within_unit(&looks[i * owner.info.sizes.E], owner.info.sizes.E), "an embedding is too long");
    before = ids[i];
    Track track;
    track.id = ids[i];
    track.label = labels[i];
    track.score = scores[i];
    std::copy_n(&boxes[i * 4], 4, track.box);
    std::copy_n(&velocities[i * 2], 2, track.velocity);
    track.age = ages[i];
    track.lost = lost[i];
    track.last_seen_ns = seen[i];
    state->tracks.push_back(track);
    std::copy_n(&looks[i * owner.info.sizes.E], owner.info.sizes.E, state->embedding(i));
  }
  for (const auto* values : {&boxes, &velocities}) {
    for (const float value : *values) must(std::abs(value) <= kFar, "a box is too far away");
  }
}

void read_masks(const Unpacked& blob, TrackerState* state) {
  int32_t active = 0;
  for (Track& track : state->tracks) track.mask = track.lost ? -1 : active++;
  const int64_t cells = state->masks.cells();
  const auto masks = floats(blob, "mask8", {active, 1, state->masks.height(), state->masks.width()});
  state->masks.reserve(active);
  for (int32_t i = 0; i < active; ++i) std::copy_n(masks.data() + i * cells, cells, state->masks.whole(i));
}

void read_recent(const Json& meta, const StateOwner& owner, TrackerState* state) {
  const Json& recent = member(meta, "recent");
  must(recent.kind == Json::kArray, "they are malformed");
  state->recent.clear();
  for (const Json& pair : recent.items) {
    must(pair.kind == Json::kArray && pair.items.size() == 2, "they are malformed");
    const auto births = static_cast<int32_t>(whole(pair.items[0], 0, kMaxId));
    const auto visible = static_cast<int32_t>(whole(pair.items[1], 0, kMaxId));
    must(static_cast<int64_t>(state->recent.size()) < owner.info.thresholds.churn_window, "they remember too much");
    state->recent.push_back({births, visible});
  }
}

void build(const Unpacked& blob, const StateOwner& owner, TrackerState* state, std::vector<float>* features) {
  const Json& meta = blob.meta;
  state->next_id = whole(member(meta, "next_id"), 1, kMaxId + 1);
  state->known = read_time(member(meta, "stamp_ns"), &state->stamp_ns);
  const bool fresh = read_time(member(meta, "fresh_ns"), &state->fresh_ns);
  const Json& size = member(meta, "size");
  must(size.kind == Json::kArray && size.items.size() == 2, "they are malformed");
  state->height = static_cast<int32_t>(whole(size.items[0], 0, kMaxId));
  state->width = static_cast<int32_t>(whole(size.items[1], 0, kMaxId));
  must(state->known == (blob.find("s") != nullptr) && state->known == fresh, "they are incomplete");
  must(!state->known || state->fresh_ns <= state->stamp_ns, "a time lies ahead");
  read_tracks(blob, owner, state);
  const Sizes& sizes = owner.info.sizes;
  if (state->known) *features = floats(blob, "s", {1, sizes.S, sizes.H / kCoarse, sizes.W / kCoarse});
  read_masks(blob, state);
  state->pixels = static_cast<uint32_t>(whole(member(meta, "pixels"), 0, UINT32_MAX));
  read_recent(meta, owner, state);
}

std::string number_or_null(bool known, int64_t value) { return known ? std::to_string(value) : "null"; }

std::string meta_of(const TrackerState& state, const StateOwner& owner) {
  std::string recent;
  for (const Recent& pair : state.recent) {
    recent += (recent.empty() ? "[" : ", [") + std::to_string(pair.births) + ", " + std::to_string(pair.visible) + "]";
  }
  return "{\"model\": " + quoted(owner.model) + ", \"association\": \"" +
         kAssociationNames[static_cast<int>(owner.association)] + "\", \"next_id\": " + std::to_string(state.next_id) +
         ", \"stamp_ns\": " + number_or_null(state.known, state.stamp_ns) +
         ", \"fresh_ns\": " + number_or_null(state.known, state.fresh_ns) +
         ", \"pixels\": " + std::to_string(state.pixels) + ", \"size\": [" + std::to_string(state.height) + ", " +
         std::to_string(state.width) + "], \"recent\": [" + recent + "]}";
}

// The tracks' values, a column each.
struct Columns {
  std::vector<int32_t> ids, labels;
  std::vector<double> scores;
  std::vector<int64_t> ages, lost, seen;
  std::vector<float> boxes, velocities, masks;
  int64_t active = 0;

  explicit Columns(const TrackerState& state) {
    for (const Track& track : state.tracks) {
      ids.push_back(track.id);
      labels.push_back(track.label);
      scores.push_back(track.score);
      ages.push_back(track.age);
      lost.push_back(track.lost);
      seen.push_back(track.last_seen_ns);
      boxes.insert(boxes.end(), track.box, track.box + 4);
      velocities.insert(velocities.end(), track.velocity, track.velocity + 2);
      if (track.lost) continue;
      ++active;
      const float* mask = state.masks.row(track.mask);
      masks.insert(masks.end(), mask, mask + state.masks.cells());
    }
  }
};

}  // namespace

std::vector<uint8_t> save_state(const TrackerState& state, const StateOwner& owner, const float* features) {
  const Sizes& sizes = owner.info.sizes;
  const int64_t height = state.masks.height();
  const int64_t width = state.masks.width();
  const Columns columns(state);
  const auto count = static_cast<int64_t>(state.tracks.size());
  Packer packer;
  packer.add("id", "int32", {count}, columns.ids.data(), 4);
  packer.add("label", "int32", {count}, columns.labels.data(), 4);
  packer.add("score", "float64", {count}, columns.scores.data(), 8);
  packer.add("age", "int64", {count}, columns.ages.data(), 8);
  packer.add("lost", "int64", {count}, columns.lost.data(), 8);
  packer.add("seen_ns", "int64", {count}, columns.seen.data(), 8);
  if (state.known) packer.add("s", "float32", {1, sizes.S, height, width}, features, 4);
  if (count) {
    packer.add("box", "float32", {count, 4}, columns.boxes.data(), 4);
    packer.add("embedding", "float32", {count, sizes.E}, state.embeddings.data(), 4);
    packer.add("velocity", "float32", {count, 2}, columns.velocities.data(), 4);
  }
  if (columns.active) packer.add("mask8", "float32", {columns.active, 1, height, width}, columns.masks.data(), 4);
  return packer.finish(kStateKind, kStateVersion, meta_of(state, owner));
}

Status restore_state(const uint8_t* data, size_t size, const StateOwner& owner, TrackerState* state,
                     std::vector<float>* features) {
  std::string wrong;
  try {
    Unpacked blob;
    wrong = unpack(kStateKind, kStateVersion, data, size, &blob);
    if (wrong.empty()) {
      const Json* model = blob.meta.find("model");
      const Json* association = blob.meta.find("association");
      must(model && model->kind == Json::kString && model->text == owner.model, "they belong to another network");
      const std::string text = association && association->kind == Json::kString ? association->text : "";
      if (text != kAssociationNames[static_cast<int>(owner.association)]) {
        throw Refused("they belong to association '" + text.substr(0, 18) + "'");
      }
      build(blob, owner, state, features);
      return {};
    }
  } catch (const Refused& error) {
    wrong = error.text;
  } catch (const std::exception&) {
    return Status::of(Code::kStep, "saved state: there is no memory to restore it");
  }
  return Status::of(Code::kState, "saved state: these bytes cannot be restored, %s; start with reset()", wrong.c_str());
}

}  // namespace mapt
