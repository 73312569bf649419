// Removes stuff of which a frame shows only a few pixels; `runtime/perception/stuff.py`.
#pragma once

#include <vector>

#include "runtime/core/letterbox.h"
#include "runtime/core/network.h"

namespace mapt {

class StuffFilter {
 public:
  explicit StuffFilter(const ModelInfo& info) : info_(info), labels_(info.pixels()), rows_(info.height() / kStride) {}

  // Gives pixels of stuff classes that are seen on too few of them the next best class that is seen on enough.
  //
  // `labels` (H,W) is the best stuff class of every pixel, `index` (H,W) is 0 where no instance is visible. `absorbed`
  // is the result (H,W): `labels` itself where nothing is to be done. The logits are asked for where they are needed.
  Status run(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox, Network* network,
             const uint8_t** absorbed);

 private:
  void count(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox, int64_t* areas) const;
  void choose_rows(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox);
  uint8_t best(const float* logits, int32_t y, int32_t x) const;

  const ModelInfo& info_;
  std::vector<uint8_t> labels_;
  std::vector<uint8_t> rows_;  // of cells, 1 where a pixel needs another class
  bool small_[256];
  int32_t enough_[256];
  int32_t enough_count_ = 0;
};

}  // namespace mapt
