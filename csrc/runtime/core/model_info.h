// What the tracker must know of a network; `mapt/contract.py: ModelInfo`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/contract.h"

namespace mapt {

struct ModelInfo {
  std::string preset;
  std::vector<std::string> classes;  // names by train id, K of them
  std::vector<int32_t> things;       // train ids of thing classes, in the manifest's order
  Sizes sizes;                       // every shape symbol of the contract
  Thresholds thresholds;

  int32_t height() const { return sizes.H; }
  int32_t width() const { return sizes.W; }
  int64_t pixels() const { return int64_t{sizes.H} * sizes.W; }
  int64_t cells4() const { return pixels() / 16; }  // of a plane of margins or logits
  int64_t cells8() const { return pixels() / 64; }  // of a coarse mask
  int32_t slots() const { return sizes.D; }
  int32_t rows() const { return sizes.N; }
};

}  // namespace mapt
