// Panoptic fusion (paper Eq. 8), inside the detections' boxes only; `runtime/perception/fusion.py` is its
// specification.
#pragma once

#include <vector>

#include "runtime/core/detections.h"
#include "runtime/core/letterbox.h"
#include "runtime/core/mask_rows.h"
#include "runtime/core/sampling.h"

namespace mapt {

// A detection that remains visible.
struct Instance {
  int32_t row = 0;  // of the instance head
  int32_t label = 0;
  float score = 0;
  float box[4] = {};  // xyxy, tight around the visible mask
  Window cells;       // of the coarse mask that the box touches
};

class Fusion {
 public:
  explicit Fusion(const ModelInfo& info);

  // Decides which pixel belongs to which detection. `masks` gets the visible masks' area averages, a row an instance.
  void run(const Detections& found, const Letterbox& letterbox, MaskRows* masks);

  const std::vector<Instance>& instances() const { return instances_; }

  // Gives the pixels of an instance back to what is behind all instances.
  void hide(int32_t i);

  // (H,W): i + 1 where instance i is visible, 0 elsewhere.
  const int32_t* index() const { return index_.data(); }

 private:
  // A detection that claimed pixels, with its number until the hardly visible ones are dropped.
  struct Claim {
    int32_t row = 0;
    Window window;  // pixels
    int64_t area = 0;
    bool inside = false;  // some of it lies in the image
    int32_t number = 0;   // after the others were dropped, 0 where it was itself
  };

  void clear();
  Window window_of(const float* box) const;
  void level(const Detections& found, int32_t row, const Window& window, int64_t* area, int64_t* free);
  void claim(const Window& window, int32_t number);
  void measure(Claim* claim, int32_t number, const Letterbox& letterbox) const;
  void renumber();
  Instance collect(const Detections& found, const Claim& claim, MaskRows* masks) const;

  const ModelInfo& info_;
  std::vector<int32_t> plane_of_;  // of the margins, by train id
  std::vector<int32_t> index_;
  std::vector<float> best_;
  std::vector<float> level_;
  std::vector<float> mask_line_;
  std::vector<float> plane_line_;
  Taps mask_rows_, mask_columns_, plane_rows_, plane_columns_;
  std::vector<Claim> claims_;
  std::vector<Instance> instances_;
};

}  // namespace mapt
