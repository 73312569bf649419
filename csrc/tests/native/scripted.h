// A network that says what a script tells it, for comparisons of the native tracker with the Python one.
#pragma once

#include <atomic>
#include <vector>

#include "runtime/core/network.h"

namespace scripted {

// The script of one frame. Every pointer is the caller's, and valid during the step.
struct Script {
  const uint8_t* pixels = nullptr;     // (H,W,3), the input
  const float* margins = nullptr;      // (T,H/4,W/4)
  const float* logits = nullptr;       // (K,H/4,W/4)
  const uint8_t* labels = nullptr;     // (H,W)
  const float* features = nullptr;     // (S,H/8,W/8)
  const float* boxes = nullptr;        // (D,4)
  const float* scores = nullptr;       // (D,)
  const int32_t* classes = nullptr;    // (D,)
  const float* mask_logits = nullptr;  // (D,28,28)
  const float* masks8 = nullptr;       // (D,1,H/8,W/8)
  const float* noise = nullptr;        // (N,1,H/8,W/8), added to what motion propagates
  const float* embeddings = nullptr;   // (D,E) by row of the instance head
  int64_t costs_ns[5] = {};            // of each subgraph's call
  int32_t count = 0;
  int32_t fails = -1;  // the subgraph that fails
};

class Network : public mapt::Network {
 public:
  explicit Network(const mapt::ModelInfo& info);

  const mapt::ModelInfo& info() const override { return info_; }
  mapt::Status prepare(const mapt::Image& image, const mapt::Letterbox& letterbox,
                       const uint8_t** pixels) noexcept override;
  mapt::Status backbone() noexcept override;
  mapt::Status semantic(int features, mapt::Perception* seen) noexcept override;
  mapt::Status instance(mapt::Perception* seen) noexcept override;
  mapt::Status logits(const mapt::LogitRows& wanted, const float** planes) noexcept override;
  mapt::Status motion(const mapt::MotionCall& call, const float** propagated) noexcept override;
  mapt::Status appearance(const mapt::AppearanceCall& call, const float** embeddings) noexcept override;
  mapt::Status read_features(int slot, float* out) noexcept override;
  mapt::Status write_features(int slot, const float* in) noexcept override;
  const char* provider(int) const noexcept override { return "script"; }

  Script script;
  // CRC-32 of the inputs of motion and appearance, in the order of calls.
  std::vector<uint32_t> inputs;

 private:
  mapt::Status run(mapt::Subgraph subgraph);
  void add_call();
  void note_rows(const float* values, int64_t size, const int32_t* rows);

  mapt::ModelInfo info_;
  std::vector<float> features_[mapt::kFeatureSlots];
  std::vector<std::vector<float>> propagated_, embeddings_;  // of each call in a frame
  std::vector<float> rows_;
};

// A clock that only the script's costs move.
int64_t now();
void pass(int64_t ns);

}  // namespace scripted
