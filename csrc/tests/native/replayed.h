// A network that gives what a record holds (`mapt track --record`): real detections without the network's time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/core/network.h"
#include "runtime/core/packing.h"

namespace scripted {

// A frame of a record.
struct RecordedFrame {
  std::map<std::string, std::vector<uint8_t>> arrays;  // by "CALL.NAME"
  std::string header;                                  // JSON, as it is in the file
  int64_t stamp_ns = 0;
};

struct Record {
  mapt::ModelInfo info;
  std::vector<RecordedFrame> frames;
};

// Throws std::runtime_error where a file is no record.
Record read_record(const std::string& path);

class Replayed : public mapt::Network {
 public:
  explicit Replayed(const mapt::ModelInfo& info);

  // The frame whose outputs the next step gets. It has to stay where it is.
  void show(const RecordedFrame& frame);

  const mapt::ModelInfo& info() const override { return info_; }
  mapt::Status prepare(const mapt::Image& image, const mapt::Letterbox& letterbox,
                       const uint8_t** pixels) noexcept override;
  mapt::Status backbone() noexcept override { return {}; }
  mapt::Status semantic(int features, mapt::Perception* seen) noexcept override;
  mapt::Status instance(mapt::Perception* seen) noexcept override;
  mapt::Status logits(const mapt::LogitRows& wanted, const float** planes) noexcept override;
  mapt::Status motion(const mapt::MotionCall& call, const float** propagated) noexcept override;
  mapt::Status appearance(const mapt::AppearanceCall& call, const float** embeddings) noexcept override;
  mapt::Status read_features(int slot, float* out) noexcept override;
  mapt::Status write_features(int slot, const float* in) noexcept override;
  const char* provider(int) const noexcept override { return "record"; }

 private:
  template <class T>
  const T* array(const char* name) const;

  mapt::ModelInfo info_;
  std::vector<uint8_t> pixels_;  // (H,W,3), other ones for every frame: a record keeps none
  const RecordedFrame* frame_ = nullptr;
  int32_t call_ = 0;  // of motion and appearance, within the frame
};

}  // namespace scripted
