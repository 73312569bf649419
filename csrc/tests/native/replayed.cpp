#include "tests/native/replayed.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "runtime/core/detections.h"
#include "runtime/core/json.h"

namespace scripted {
namespace {

constexpr std::size_t kLength = 8, kHead = 24, kHeaderSize = 16;  // bytes, see runtime/persistence/packing.py

const mapt::Json& member(const mapt::Json& object, const char* name) {
  const mapt::Json* found = object.find(name);
  if (!found) throw std::runtime_error(std::string("the record lacks ") + name);
  return *found;
}

uint64_t number_at(const std::string& data, std::size_t at) {
  uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= uint64_t{static_cast<unsigned char>(data[at + i])} << 8 * i;
  return value;
}

// The thresholds, whose fractions mapt::Json does not keep.
double threshold(const std::string& header, const char* name) {
  const std::size_t at = header.find("\"" + std::string(name) + "\": ", header.find("\"thresholds\""));
  if (at == std::string::npos) throw std::runtime_error(std::string("the record lacks ") + name);
  return std::stod(header.substr(header.find(": ", at) + 2));
}

mapt::ModelInfo info_of(const mapt::Json& meta, const std::string& header) {
  const mapt::Json& told = member(meta, "info");
  mapt::ModelInfo info;
  info.preset = member(told, "preset").text;
  for (const mapt::Json& name : member(told, "classes").items) info.classes.push_back(name.text);
  for (const mapt::Json& thing : member(told, "things").items) info.things.push_back(int32_t(thing.integer));
  for (const mapt::SizeSymbol& symbol : mapt::kSymbols) {
    const char name[] = {symbol.symbol, '\0'};
    info.sizes.*symbol.size = static_cast<int32_t>(member(member(told, "sizes"), name).integer);
  }
  for (const mapt::ThresholdRange& range : mapt::kRanges) {
    const double value = threshold(header, range.name);
    if (range.whole) {
      info.thresholds.*range.whole = static_cast<int64_t>(value);
    } else {
      info.thresholds.*range.number = value;
    }
  }
  return info;
}

// The instance head's rows behind the last detection, which a record leaves out, are zeros.
void pad_rows(const mapt::Sizes& sizes, RecordedFrame* frame) {
  const auto slots = static_cast<std::size_t>(sizes.D);
  frame->arrays["2.boxes"].resize(slots * 4 * sizeof(float));
  frame->arrays["2.scores"].resize(slots * sizeof(float));
  frame->arrays["2.classes"].resize(slots * sizeof(int32_t));
  frame->arrays["2.mask_logits"].resize(slots * mapt::kMaskSide * mapt::kMaskSide * sizeof(float));
}

}  // namespace

Record read_record(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string data{std::istreambuf_iterator<char>(file), {}};
  Record record;
  for (std::size_t at = 0; at < data.size();) {
    if (data.size() - at < kLength + kHead) throw std::runtime_error(path + " is no record");
    const std::size_t size = number_at(data, at);
    at += kLength;
    if (size < kHead || size > data.size() - at) throw std::runtime_error(path + " is truncated");
    mapt::Unpacked blob;
    const char* kind = at == kLength ? "RECH" : "RECF";
    const auto* bytes = reinterpret_cast<const uint8_t*>(data.data()) + at;
    const std::string wrong = mapt::unpack(kind, 2, bytes, size, &blob);
    if (!wrong.empty()) throw std::runtime_error(path + ": " + wrong);
    const std::string header = data.substr(at + kHead, number_at(data, at + kHeaderSize));
    if (at == kLength) {
      record.info = info_of(blob.meta, header);
    } else {
      RecordedFrame& frame = record.frames.emplace_back();
      frame.header = header;
      frame.stamp_ns = member(blob.meta, "stamp_ns").integer;
      for (const mapt::PackedArray& array : blob.arrays)
        frame.arrays[array.name].assign(array.data, array.data + array.bytes);
      pad_rows(record.info.sizes, &frame);
    }
    at += size;
  }
  if (record.frames.empty()) throw std::runtime_error(path + " holds no frames");
  return record;
}

Replayed::Replayed(const mapt::ModelInfo& info) : info_(info), pixels_(static_cast<std::size_t>(info.pixels() * 3)) {
  for (std::size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = static_cast<uint8_t>(i * 7);
}

void Replayed::show(const RecordedFrame& frame) {
  frame_ = &frame;
  call_ = 3;
  ++reinterpret_cast<uint32_t&>(*pixels_.data());
}

template <class T>
const T* Replayed::array(const char* name) const {
  const auto found = frame_->arrays.find(name);  // short names, which no string allocates for
  return found == frame_->arrays.end() ? nullptr : reinterpret_cast<const T*>(found->second.data());
}

mapt::Status Replayed::prepare(const mapt::Image&, const mapt::Letterbox&, const uint8_t** pixels) noexcept {
  *pixels = pixels_.data();
  return {};
}

mapt::Status Replayed::semantic(int, mapt::Perception* seen) noexcept {
  seen->margins = array<float>("1.margins");
  seen->labels = array<uint8_t>("1.labels");
  return {};
}

mapt::Status Replayed::instance(mapt::Perception* seen) noexcept {
  seen->boxes = array<float>("2.boxes");
  seen->scores = array<float>("2.scores");
  seen->classes = array<int32_t>("2.classes");
  seen->mask_logits = array<float>("2.mask_logits");
  seen->count = *array<int32_t>("2.count");
  return {};
}

mapt::Status Replayed::logits(const mapt::LogitRows&, const float** planes) noexcept {
  *planes = array<float>("1.logits");
  return {};
}

mapt::Status Replayed::motion(const mapt::MotionCall&, const float** propagated) noexcept {
  char name[24];
  std::snprintf(name, sizeof name, "%d.propagated", call_++);
  *propagated = array<float>(name);
  if (*propagated) return {};
  return mapt::Status::of(mapt::Code::kBackend, "the record has no %s", name);
}

mapt::Status Replayed::appearance(const mapt::AppearanceCall&, const float** embeddings) noexcept {
  char name[24];
  std::snprintf(name, sizeof name, "%d.embeddings", call_++);
  *embeddings = array<float>(name);
  if (*embeddings) return {};
  return mapt::Status::of(mapt::Code::kBackend, "the record has no %s", name);
}

mapt::Status Replayed::read_features(int, float* out) noexcept {
  std::fill_n(out, info_.sizes.S * info_.cells8(), 0.0f);
  return {};
}

mapt::Status Replayed::write_features(int, const float*) noexcept { return {}; }

}  // namespace scripted
