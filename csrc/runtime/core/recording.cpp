#include "runtime/core/recording.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <numeric>

#include "runtime/core/crc32.h"
#include "runtime/core/detections.h"
#include "runtime/core/json.h"
#include "runtime/core/packing.h"

namespace mapt {
namespace {

// {"a": 1, "b": 2} or [1, 2] of its parts.
std::string joined(char open, const std::vector<std::string>& parts, char close) {
  std::string out(1, open);
  for (const std::string& part : parts) out += (out.size() > 1 ? ", " : "") + part;
  return out + close;
}

std::string object(const std::vector<std::string>& parts) { return joined('{', parts, '}'); }
std::string array(const std::vector<std::string>& parts) { return joined('[', parts, ']'); }

std::string member(const char* name, const std::string& value) { return "\"" + std::string(name) + "\": " + value; }
std::string member(const char* name, int64_t value) { return member(name, std::to_string(value)); }
std::string member(const char* name, double value) { return member(name, written_number(value)); }

std::string or_null(double value) { return std::isnan(value) ? "null" : written_number(value); }

std::string sizes_json(const Sizes& sizes) {
  std::vector<std::string> parts;
  for (const SizeSymbol& symbol : kSymbols) {
    const char name[] = {symbol.symbol, '\0'};
    parts.push_back(member(name, int64_t{sizes.*symbol.size}));
  }
  return object(parts);
}

std::string thresholds_json(const Thresholds& thresholds) {
  std::vector<std::string> parts;
  for (const ThresholdRange& range : kRanges) {
    parts.push_back(range.whole ? member(range.name, thresholds.*range.whole)
                                : member(range.name, thresholds.*range.number));
  }
  return object(parts);
}

std::string info_json(const ModelInfo& info) {
  std::vector<std::string> classes, things;
  for (const std::string& name : info.classes) classes.push_back(quoted(name));
  for (const int32_t thing : info.things) things.push_back(std::to_string(thing));
  return object({member("preset", quoted(info.preset)), member("height", int64_t{info.height()}),
                 member("width", int64_t{info.width()}), member("classes", array(classes)),
                 member("things", array(things)), member("sizes", sizes_json(info.sizes)),
                 member("thresholds", thresholds_json(info.thresholds))});
}

std::string track_json(const FrameTrack& track) {
  std::vector<std::string> box;
  for (const double side : track.box) box.push_back(written_number(side));
  return object({member("id", int64_t{track.id}), member("label", int64_t{track.label}), member("score", track.score),
                 member("box", array(box)), member("age", track.age), member("lost", track.lost)});
}

std::string decision_json(const Decision& decision) {
  return object({member("stage", quoted(kStageNames[static_cast<int>(decision.stage)])),
                 member("track", int64_t{decision.track}), member("detection", int64_t{decision.detection}),
                 member("score", decision.score), member("runner_up", or_null(decision.runner_up)),
                 member("threshold", decision.threshold), member("margin", decision.margin),
                 member("gate", or_null(decision.gate))});
}

// The names of the bits that are set.
std::string names_json(uint32_t bits, const char* const* names, int count) {
  std::vector<std::string> parts;
  for (int i = 0; i < count; ++i) {
    if (bits >> i & 1) parts.push_back(quoted(names[i]));
  }
  return array(parts);
}

std::string degraded_json(const Frame& frame) {
  return names_json(frame.degraded, kHeadNames, static_cast<int>(Head::kCount));
}

int64_t crc_of(const std::string& text) { return crc32(text.data(), text.size()); }

// CRC-32 of every part of a frame; `runtime/persistence/recording.py: digest`.
std::string digest_json(const Frame& frame) {
  std::vector<std::string> tracks, decisions;
  for (const FrameTrack& track : frame.tracks) tracks.push_back(track_json(track));
  for (const Decision& decision : frame.decisions) decisions.push_back(decision_json(decision));
  const std::string alarms = names_json(frame.alarms, kAlarmNames, static_cast<int>(Alarm::kCount));
  const auto pixels = [](const auto& map) { return int64_t{crc32(map.data(), map.size() * sizeof map[0])}; };
  return object({member("semantic", pixels(frame.semantic)), member("instance", pixels(frame.instance)),
                 member("tracks", crc_of(array(tracks))), member("decisions", crc_of(array(decisions))),
                 member("overflow", crc_of(std::to_string(frame.overflow))),
                 member("degraded", crc_of(degraded_json(frame))), member("alarms", crc_of(alarms))});
}

// A blob behind its length.
std::vector<uint8_t> with_length(const std::vector<uint8_t>& blob) {
  std::vector<uint8_t> out(sizeof(uint64_t) + blob.size());
  for (size_t i = 0; i < sizeof(uint64_t); ++i) out[i] = static_cast<uint8_t>(uint64_t{blob.size()} >> 8 * i);
  std::copy(blob.begin(), blob.end(), out.begin() + sizeof(uint64_t));
  return out;
}

std::string array_name(size_t call, const char* name) { return std::to_string(call) + "." + name; }

}  // namespace

Recorder::Recorder(Network* network) : network_(network) {}

std::vector<uint8_t> Recorder::start(Association association, int32_t max_objects) {
  std::vector<std::string> providers;
  for (int i = 0; i < static_cast<int>(Subgraph::kCount); ++i) {
    providers.push_back(member(kSubgraphNames[i], quoted(network_->provider(i))));
  }
  const std::string meta = object({member("info", info_json(info())),
                                   member("association", quoted(kAssociationNames[static_cast<int>(association)])),
                                   member("max_objects", max_objects ? std::to_string(max_objects) : "null"),
                                   member("providers", object(providers))});
  std::vector<uint8_t> head = with_length(Packer().finish("RECH", kRecordVersion, meta));
  classes_.resize(static_cast<size_t>(info().sizes.K));
  std::iota(classes_.begin(), classes_.end(), 0);
  rows_.assign(static_cast<size_t>(info().height() / kStride), 1);
  keeping_ = true;
  return head;
}

std::vector<uint8_t> Recorder::write(const Frame& frame, const RecordPlace& place) const {
  const Sizes& sizes = info().sizes;
  const int64_t height4 = sizes.H / kStride, width4 = sizes.W / kStride;
  const int64_t height8 = sizes.H / kCoarse, width8 = sizes.W / kCoarse;
  const int64_t count = seen_.count;
  Packer packer;
  packer.add("1.logits", "float32", {1, sizes.K, height4, width4}, logits_, sizeof(float));
  packer.add("1.margins", "float32", {1, sizes.T, height4, width4}, seen_.margins, sizeof(float));
  packer.add("1.labels", "uint8", {1, sizes.H, sizes.W}, seen_.labels, 1);
  packer.add("2.boxes", "float32", {count, 4}, seen_.boxes, sizeof(float));
  packer.add("2.scores", "float32", {count}, seen_.scores, sizeof(float));
  packer.add("2.classes", "int32", {count}, seen_.classes, sizeof(int32_t));
  packer.add("2.mask_logits", "float32", {count, kMaskSide, kMaskSide}, seen_.mask_logits, sizeof(float));
  packer.add("2.count", "int32", {1}, &seen_.count, sizeof(int32_t));
  for (size_t i = 0; i < used_; ++i) {
    const bool motion = calls_[i].subgraph == Subgraph::kMotion;
    const std::vector<int64_t> shape =
        motion ? std::vector<int64_t>{sizes.N, 1, height8, width8} : std::vector<int64_t>{sizes.N, sizes.E};
    const std::string name = array_name(3 + i, motion ? "propagated" : "embeddings");
    packer.add(name.c_str(), "float32", shape, calls_[i].output.data(), sizeof(float));
  }
  const std::string meta = object({member("sequence", quoted(place.sequence)), member("name", quoted(place.name)),
                                   member("stamp_ns", frame.stamp_ns), member("calls", calls_json()),
                                   member("frame", digest_json(frame)), member("degraded", degraded_json(frame))});
  return with_length(packer.finish("RECF", kRecordVersion, meta));
}

// The subgraphs that ran, each with CRC-32 of the inputs that the tracker made.
std::string Recorder::calls_json() const {
  const auto call = [](Subgraph subgraph, const std::vector<std::string>& inputs) {
    return array({quoted(kSubgraphNames[static_cast<int>(subgraph)]), object(inputs)});
  };
  std::vector<std::string> parts = {call(Subgraph::kBackbone, {member("image", int64_t{image_})}),
                                    call(Subgraph::kSemantic, {}), call(Subgraph::kInstance, {})};
  for (size_t i = 0; i < used_; ++i) {
    const std::string rows = member("rows", int64_t{calls_[i].rows});
    const bool motion = calls_[i].subgraph == Subgraph::kMotion;
    parts.push_back(motion ? call(Subgraph::kMotion, {member("masks_prev", int64_t{calls_[i].masks_prev}), rows})
                           : call(Subgraph::kAppearance, {rows}));
  }
  return array(parts);
}

Status Recorder::prepare(const Image& image, const Letterbox& letterbox, const uint8_t** pixels) noexcept {
  used_ = 0;
  const Status status = network_->prepare(image, letterbox, pixels);
  pixels_ = status.ok() ? *pixels : nullptr;
  return status;
}

Status Recorder::backbone() noexcept {
  if (keeping_) image_ = crc32(pixels_, static_cast<size_t>(info().pixels() * 3));
  return network_->backbone();
}

Status Recorder::semantic(int features, Perception* seen) noexcept { return network_->semantic(features, seen); }

Status Recorder::instance(Perception* seen) noexcept { return network_->instance(seen); }

Status Recorder::wait(Perception* seen) noexcept {
  Status status = network_->wait(seen);
  if (!keeping_ || !status.ok()) return status;
  for (size_t i = 0; i < used_; ++i) {
    Call& call = calls_[i];
    if (call.given) std::copy_n(call.given, call.output.size(), call.output.begin());
    call.given = nullptr;
  }
  if (!seen) return status;
  seen_ = *seen;
  return network_->logits({classes_.data(), info().sizes.K, rows_.data()}, &logits_);
}

Status Recorder::motion(const MotionCall& call, const float** propagated) noexcept {
  const Status status = network_->motion(call, propagated);
  if (!keeping_ || !status.ok()) return status;
  const int64_t size = info().rows() * info().cells8();
  Call kept;
  kept.subgraph = Subgraph::kMotion;
  kept.masks_prev = crc32(call.masks_prev, static_cast<size_t>(size) * sizeof(float));
  kept.rows = crc32(call.rows, static_cast<size_t>(info().rows()) * sizeof(int32_t));
  kept.given = *propagated;
  return keep(kept, size);
}

Status Recorder::appearance(const AppearanceCall& call, const float** embeddings) noexcept {
  const Status status = network_->appearance(call, embeddings);
  if (!keeping_ || !status.ok()) return status;
  Call kept;
  kept.subgraph = Subgraph::kAppearance;
  kept.rows = crc32(call.rows, static_cast<size_t>(info().rows()) * sizeof(int32_t));
  kept.given = *embeddings;
  return keep(kept, int64_t{info().rows()} * info().sizes.E);
}

Status Recorder::keep(const Call& call, int64_t size) noexcept {
  try {
    if (used_ == calls_.size()) calls_.emplace_back();
    Call& kept = calls_[used_];
    kept.subgraph = call.subgraph;
    kept.masks_prev = call.masks_prev;
    kept.rows = call.rows;
    kept.given = call.given;
    kept.output.resize(static_cast<size_t>(size));
  } catch (const std::exception&) {
    return Status::of(Code::kStep, "there is no memory to record the frame; frame dropped");
  }
  ++used_;
  return {};
}

}  // namespace mapt
