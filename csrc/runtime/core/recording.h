// Keeps what the networks give, and writes it in the bytes of `runtime/persistence/recording.py`: a run that is
// recorded here is replayed there, bit for bit, without the networks.
#pragma once

#include <string>
#include <vector>

#include "runtime/core/frame.h"
#include "runtime/core/network.h"

namespace mapt {

constexpr uint32_t kRecordVersion = 2;

// Where a recorded frame comes from; a replay compares it.
struct RecordPlace {
  std::string sequence;
  std::string name;
};

// A network that passes every call on to another one. Between `start` and `stop` it keeps the outputs of the last
// frame; otherwise it costs nothing.
class Recorder final : public Network {
 public:
  explicit Recorder(Network* network);

  // These three throw std::bad_alloc. Each blob stands behind its length, so that a file of them is a record.
  //
  // Starts to keep outputs. Returns a record's first blob, which says what runs. `max_objects` is 0 where there is no
  // limit.
  std::vector<uint8_t> start(Association association, int32_t max_objects);
  // The blob of the frame whose outputs are kept.
  std::vector<uint8_t> write(const Frame& frame, const RecordPlace& place) const;
  void stop() { keeping_ = false; }

  bool keeping() const { return keeping_; }

  const ModelInfo& info() const override { return network_->info(); }
  Status prepare(const Image& image, const Letterbox& letterbox, const uint8_t** pixels) noexcept override;
  Status backbone() noexcept override;
  Status semantic(int features, Perception* seen) noexcept override;
  Status instance(Perception* seen) noexcept override;
  Status wait(Perception* seen) noexcept override;
  Status logits(const LogitRows& wanted, const float** planes) noexcept override {
    return network_->logits(wanted, planes);
  }
  Status motion(const MotionCall& call, const float** propagated) noexcept override;
  Status appearance(const AppearanceCall& call, const float** embeddings) noexcept override;
  Status read_features(int slot, float* out) noexcept override { return network_->read_features(slot, out); }
  Status write_features(int slot, const float* in) noexcept override { return network_->write_features(slot, in); }
  const char* provider(int subgraph) const noexcept override { return network_->provider(subgraph); }

 private:
  // A call of the motion or the appearance head.
  struct Call {
    Subgraph subgraph = Subgraph::kMotion;
    uint32_t masks_prev = 0;  // CRC-32 of inputs; of motion alone
    uint32_t rows = 0;
    const float* given = nullptr;  // where the output will be after `wait`; null once it is kept
    std::vector<float> output;     // propagated (N,1,H/8,W/8) or embeddings (N,E)
  };

  Status keep(const Call& call, int64_t size) noexcept;
  std::string calls_json() const;

  Network* network_;
  bool keeping_ = false;
  uint32_t image_ = 0;  // CRC-32 of the network's input
  const uint8_t* pixels_ = nullptr;
  Perception seen_;  // valid until the next `prepare`
  const float* logits_ = nullptr;
  std::vector<int32_t> classes_;  // all of them
  std::vector<uint8_t> rows_;     // of logits, all of them
  std::vector<Call> calls_;       // their memory is used again
  size_t used_ = 0;               // of them, in this frame
};

}  // namespace mapt
