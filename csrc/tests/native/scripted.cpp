#include "tests/native/scripted.h"

#include <algorithm>

#include "runtime/core/crc32.h"
#include "runtime/core/detections.h"

namespace scripted {
namespace {

std::atomic<int64_t> clock_ns{0};

}  // namespace

int64_t now() { return clock_ns.load(); }
void pass(int64_t ns) { clock_ns += ns; }

Network::Network(const mapt::ModelInfo& info) : info_(info) {
  for (auto& features : features_) features.resize(info.sizes.S * info.cells8());
  for (int32_t calls = 0; calls * info.rows() < info.slots(); ++calls) add_call();
  const int64_t mask = mapt::kMaskSide * mapt::kMaskSide;
  rows_.resize(info.rows() * std::max({info.cells8(), mask, int64_t{info.sizes.E}}));
  inputs.reserve(1 << 16);
}

// Makes room for what another call of the motion and the appearance head gives.
void Network::add_call() {
  propagated_.emplace_back(info_.rows() * info_.cells8());
  embeddings_.emplace_back(int64_t{info_.rows()} * info_.sizes.E);
}

mapt::Status Network::run(mapt::Subgraph subgraph) {
  const int number = static_cast<int>(subgraph);
  pass(script.costs_ns[number]);
  if (script.fails != number) return {};
  return mapt::Status::of(mapt::Code::kBackend, "%s: it fails; frame dropped", mapt::kSubgraphNames[number]);
}

mapt::Status Network::prepare(const mapt::Image&, const mapt::Letterbox&, const uint8_t** pixels) noexcept {
  *pixels = script.pixels;
  return {};
}

mapt::Status Network::backbone() noexcept { return run(mapt::Subgraph::kBackbone); }

mapt::Status Network::semantic(int features, mapt::Perception* seen) noexcept {
  std::copy_n(script.features, features_[features].size(), features_[features].begin());
  seen->margins = script.margins;
  seen->labels = script.labels;
  return run(mapt::Subgraph::kSemantic);
}

mapt::Status Network::instance(mapt::Perception* seen) noexcept {
  seen->boxes = script.boxes;
  seen->scores = script.scores;
  seen->classes = script.classes;
  seen->mask_logits = script.mask_logits;
  seen->masks8 = script.masks8;
  seen->count = script.count;
  return run(mapt::Subgraph::kInstance);
}

mapt::Status Network::logits(const mapt::LogitRows&, const float** planes) noexcept {
  *planes = script.logits;
  return {};
}

// Notes the rows of a tensor of `size` values a row, padded with zeros.
void Network::note_rows(const float* values, int64_t size, const int32_t* rows) {
  for (int32_t i = 0; i < info_.rows(); ++i) {
    float* row = rows_.data() + i * size;
    if (rows[i] < 0) {
      std::fill_n(row, size, 0.0f);
    } else {
      std::copy_n(values + rows[i] * size, size, row);
    }
  }
  inputs.push_back(mapt::crc32(rows_.data(), info_.rows() * size * sizeof(float)));
}

// The masks stay where they were, with the script's noise.
mapt::Status Network::motion(const mapt::MotionCall& call, const float** propagated) noexcept {
  for (const int slot : {call.before, call.now}) {
    inputs.push_back(mapt::crc32(features_[slot].data(), features_[slot].size() * sizeof(float)));
  }
  while (static_cast<size_t>(call.chunk) >= propagated_.size()) add_call();
  std::vector<float>& masks = propagated_[call.chunk];
  inputs.push_back(mapt::crc32(call.masks_prev, masks.size() * sizeof(float)));
  note_rows(script.masks8, info_.cells8(), call.rows);
  note_rows(script.boxes, 4, call.rows);
  for (size_t i = 0; i < masks.size(); ++i) {
    masks[i] = (call.masks_prev[i] - 0.5f) * 20.0f + script.noise[i];
  }
  *propagated = masks.data();
  return run(mapt::Subgraph::kMotion);
}

mapt::Status Network::appearance(const mapt::AppearanceCall& call, const float** embeddings) noexcept {
  const int64_t size = info_.sizes.E;
  note_rows(script.boxes, 4, call.rows);
  note_rows(script.mask_logits, mapt::kMaskSide * mapt::kMaskSide, call.rows);
  std::vector<float>& found = embeddings_[call.chunk];
  std::fill(found.begin(), found.end(), 0.0f);
  for (int32_t i = 0; i < call.detections; ++i) {
    std::copy_n(script.embeddings + call.rows[i] * size, size, found.begin() + i * size);
  }
  *embeddings = found.data();
  return run(mapt::Subgraph::kAppearance);
}

mapt::Status Network::read_features(int slot, float* out) noexcept {
  std::copy(features_[slot].begin(), features_[slot].end(), out);
  return {};
}

mapt::Status Network::write_features(int slot, const float* in) noexcept {
  std::copy_n(in, features_[slot].size(), features_[slot].begin());
  return {};
}

}  // namespace scripted
