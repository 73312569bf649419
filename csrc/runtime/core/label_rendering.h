// Renders instances over the stuff behind them, at the size of the camera's image; `runtime/label_rendering.py`.
#pragma once

#include <vector>

#include "runtime/core/frame.h"
#include "runtime/core/fusion.h"
#include "runtime/core/state.h"

namespace mapt {

class LabelRenderer {
 public:
  explicit LabelRenderer(const ModelInfo& info);

  // Writes both maps of a frame whose size is set. `labels` (H,W) are the best stuff classes, `ids` the instances'
  // tracks. Returns whether one class is everywhere.
  bool run(const uint8_t* labels, const Fusion& fused, const std::vector<int32_t>& ids, const Letterbox& letterbox,
           Frame* frame);

 private:
  void choose_columns(const Letterbox& letterbox);
  void paint(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox, uint8_t* semantic,
             int32_t* instance) const;

  const ModelInfo& info_;
  std::vector<uint8_t> classes_;  // by number of an instance, from 1
  std::vector<int32_t> ids_;      // likewise; 0 for none
  std::vector<int32_t> columns_;  // of the input, by column of the image
  int32_t width_ = 0, inner_width_ = 0;
};

// Lists the tracks as a frame gives them: visible ones first, then lost ones, each by id.
void list_tracks(const TrackerState& state, const Letterbox& letterbox, std::vector<FrameTrack>* tracks);

}  // namespace mapt
