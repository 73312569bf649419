// Any bytes as a saved state, as images, and as the outputs of a network: a tracker refuses them or labels a frame.
// Built by `make fuzz`.
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "runtime/backends/resize.h"
#include "runtime/core/crc32.h"
#include "runtime/core/tracker.h"

namespace {

// What is left of an input, of which zeros follow the end.
class Source {
 public:
  Source(const unsigned char* data, std::size_t size) : data_(data), size_(size) {}
  void take(void* to, std::size_t count) {
    const std::size_t given = std::min(count, size_ - at_);
    std::memcpy(to, data_ + at_, given);
    std::memset(static_cast<char*>(to) + given, 0, count - given);
    at_ += given;
  }
  template <class T>
  T number() {
    T value{};
    take(&value, sizeof value);
    return value;
  }
  bool done() const { return at_ == size_; }
  const unsigned char* rest() const { return data_ + at_; }
  std::size_t left() const { return size_ - at_; }

 private:
  const unsigned char* data_;
  std::size_t size_, at_ = 0;
};

mapt::ModelInfo small_info() {
  mapt::ModelInfo info;
  info.preset = "nano";
  info.classes = {"road", "sky", "car", "person"};
  info.things = {2, 3};
  info.sizes.H = 64;
  info.sizes.W = 96;
  info.sizes.K = 4;
  info.sizes.T = 2;
  info.sizes.D = 4;
  info.sizes.N = 2;
  info.sizes.F = info.sizes.S = info.sizes.C = info.sizes.M = 1;
  info.sizes.E = 8;
  return info;
}

// A network whose outputs are the input's bytes, mostly such that they pass the checks.
class FuzzNetwork final : public mapt::Network {
 public:
  explicit FuzzNetwork(Source& source) : source_(source), features_(mapt::kFeatureSlots, std::vector<float>(96)) {}

  const mapt::ModelInfo& info() const override { return info_; }
  mapt::Status prepare(const mapt::Image& image, const mapt::Letterbox& box, const uint8_t** pixels) noexcept override {
    resize_.run(image.data, image.height, image.width, image.stride, pixels_.data(), box.inner_height, box.inner_width,
                3 * 96);
    *pixels = pixels_.data();
    return {};
  }
  mapt::Status backbone() noexcept override { return {}; }
  mapt::Status semantic(int slot, mapt::Perception* seen) noexcept override {
    fill(features_[static_cast<std::size_t>(slot)]);
    fill(margins_);
    fill(logits_);
    source_.take(labels_.data(), labels_.size());
    const bool tame = source_.number<uint8_t>() % 8;
    for (uint8_t& label : labels_) label = tame ? label % 4 : label;
    seen->margins = margins_.data();
    seen->labels = labels_.data();
    return {};
  }
  mapt::Status instance(mapt::Perception* seen) noexcept override {
    fill(boxes_);
    fill(scores_);
    fill(mask_logits_);
    fill(masks8_);
    const bool tame = source_.number<uint8_t>() % 8;
    for (float& score : scores_) score = tame ? std::min(std::max(score / 16, 0.0f), 1.0f) : score;
    for (int32_t& label : classes_) label = tame ? 2 + source_.number<uint8_t>() % 2 : source_.number<int32_t>();
    seen->boxes = boxes_.data();
    seen->scores = scores_.data();
    seen->classes = classes_.data();
    seen->mask_logits = mask_logits_.data();
    seen->masks8 = masks8_.data();
    seen->count = tame ? source_.number<uint8_t>() % 5 : source_.number<int32_t>();
    return {};
  }
  mapt::Status logits(const mapt::LogitRows&, const float** planes) noexcept override {
    *planes = logits_.data();
    return {};
  }
  mapt::Status motion(const mapt::MotionCall& call, const float** propagated) noexcept override {
    *propagated = fill_call(propagated_, call.chunk, 2 * 96);
    return {};
  }
  mapt::Status appearance(const mapt::AppearanceCall& call, const float** embeddings) noexcept override {
    *embeddings = fill_call(embeddings_, call.chunk, 2 * 8);
    return {};
  }
  mapt::Status read_features(int slot, float* out) noexcept override {
    std::copy(features_[static_cast<std::size_t>(slot)].begin(), features_[static_cast<std::size_t>(slot)].end(), out);
    return {};
  }
  mapt::Status write_features(int slot, const float* in) noexcept override {
    std::copy(in, in + 96, features_[static_cast<std::size_t>(slot)].begin());
    return {};
  }
  const char* provider(int) const noexcept override { return "fuzz"; }

 private:
  // Values from -16 to 16, or where the input says so any bits.
  void fill(std::vector<float>& values) {
    const uint8_t kind = source_.number<uint8_t>();
    if (kind == 255) return source_.take(values.data(), values.size() * sizeof(float));
    for (float& value : values) value = static_cast<float>(source_.number<int8_t>()) / 8;
  }

  // What one of a frame's calls gives, which stays until the next frame.
  const float* fill_call(std::map<int, std::vector<float>>& calls, int chunk, std::size_t size) {
    std::vector<float>& values = calls[chunk];
    values.resize(size);
    fill(values);
    return values.data();
  }

  Source& source_;
  mapt::ModelInfo info_ = small_info();
  mapt::LinearResize resize_;
  std::vector<uint8_t> pixels_ = std::vector<uint8_t>(3 * 64 * 96), labels_ = std::vector<uint8_t>(64 * 96);
  std::vector<std::vector<float>> features_;
  std::vector<float> margins_ = std::vector<float>(2 * 16 * 24), logits_ = std::vector<float>(4 * 16 * 24);
  std::vector<float> boxes_ = std::vector<float>(16), scores_ = std::vector<float>(4);
  std::vector<float> mask_logits_ = std::vector<float>(4 * 28 * 28), masks8_ = std::vector<float>(4 * 96);
  std::map<int, std::vector<float>> propagated_, embeddings_;  // by call
  std::vector<int32_t> classes_ = std::vector<int32_t>(4);
};

// A step; a failure has to say why, and to leave the saved bytes as they were. A labelled frame can be recorded.
void step(mapt::Tracker& tracker, Source& source, int64_t stamp_ns, mapt::Frame& frame, bool recorded = false) {
  std::vector<uint8_t> before, after;
  if (!tracker.save(&before).ok()) std::abort();
  const int height = 1 + source.number<uint8_t>(), width = 1 + source.number<uint8_t>();
  std::vector<uint8_t> pixels(3 * static_cast<std::size_t>(height * width));
  source.take(pixels.data(), pixels.size());
  const mapt::Status status =
      tracker.step({pixels.data(), height, width, 3 * int64_t{width}}, stamp_ns, mapt::kNone, &frame);
  if (!tracker.save(&after).ok()) std::abort();
  if (!status.ok() && (status.text[0] == '\0' || before != after)) std::abort();
  if (status.ok() && frame.semantic.size() != static_cast<std::size_t>(height * width)) std::abort();
  std::vector<uint8_t> record;
  if (tracker.record_frame(frame, {"street", "1"}, &record).ok() != (recorded && status.ok())) std::abort();
}

// What is restored can be saved and restored again.
void restore(mapt::Tracker& tracker, const std::vector<uint8_t>& bytes) {
  std::vector<uint8_t> saved;
  const mapt::Status status = tracker.restore(bytes.data(), bytes.size());
  if (!tracker.save(&saved).ok()) std::abort();
  if (status.ok() && !tracker.restore(saved.data(), saved.size()).ok()) std::abort();
}

// A state of a run in which the input changes bytes, with the checksum that belongs to them.
std::vector<uint8_t> damaged_state(mapt::Tracker& tracker, Source& source, mapt::Frame& frame) {
  std::vector<uint8_t> bytes;
  for (int64_t number = 1; number < 3; ++number) step(tracker, source, number * 100'000'000, frame);
  if (!tracker.save(&bytes).ok()) std::abort();
  for (int edits = source.number<uint8_t>() % 16; edits > 0; --edits) {
    const std::size_t at = source.number<uint16_t>() % bytes.size();
    bytes[at] = source.number<uint8_t>();
  }
  const uint32_t crc = mapt::crc32(bytes.data() + 16, bytes.size() - 16);
  std::memcpy(bytes.data() + 12, &crc, sizeof crc);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  Source source(data, size);
  const uint8_t kind = source.number<uint8_t>();
  FuzzNetwork network(source);
  mapt::TrackerOptions options;
  options.model = "fuzz";
  mapt::Tracker tracker(&network, options);
  mapt::Frame frame;
  if (kind % 4 == 1) {
    restore(tracker, std::vector<uint8_t>(source.rest(), source.rest() + source.left()));
    return 0;
  }
  std::vector<uint8_t> record;
  const bool recorded = kind % 4 == 2;
  if (recorded && !tracker.record_begin(&record).ok()) std::abort();
  int64_t number = 1;
  if (kind % 4 == 3) {
    restore(tracker, damaged_state(tracker, source, frame));
    number = 3;
  }
  for (; number < 5 && !source.done(); ++number) step(tracker, source, number * 100'000'000, frame, recorded);
  return 0;
}
