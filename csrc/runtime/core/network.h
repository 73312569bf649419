// The interface between the tracker's logic and whatever runs the five subgraphs.
//
// A network owns every tensor that it hands out and allocates nothing after its first frames. One thread at a time
// calls it, except where a function says otherwise. No function throws.
#pragma once

#include <cstdint>

#include "runtime/core/letterbox.h"
#include "runtime/core/model_info.h"
#include "runtime/core/status.h"

namespace mapt {

// The semantic features `s` (1,S,H/8,W/8) of this many frames stay where the network runs. The tracker says which of
// them a frame fills: one belongs to the accepted state, one to the running step, one to a thread that saves.
constexpr int kFeatureSlots = 3;

// A camera's image: RGB, uint8, `stride` bytes from row to row.
struct Image {
  const uint8_t* data = nullptr;
  int32_t height = 0;
  int32_t width = 0;
  int64_t stride = 0;
};

// The outputs of the single-frame heads that the tracker reads, in host memory. They are there after `wait`, until the
// next `prepare`. All D rows of the instance head are there; those from `count` on are not looked at.
struct Perception {
  const float* margins = nullptr;      // (T,H/4,W/4), T things: a thing's logit minus the best stuff logit of the cell
  const uint8_t* labels = nullptr;     // (H,W), the best stuff class of every pixel
  const float* boxes = nullptr;        // (D,4) xyxy input pixels
  const float* scores = nullptr;       // (D,)
  const int32_t* classes = nullptr;    // (D,) train ids
  const float* mask_logits = nullptr;  // (D,28,28)
  const float* masks8 = nullptr;       // (D,1,H/8,W/8); null where the network keeps them for itself
  int32_t count = 0;                   // valid rows
};

// A call of the motion head on at most N tracks and N detections. The two lists are independent.
struct MotionCall {
  int chunk = 0;                      // 0, 1, ... within a frame
  int before = 0;                     // feature slot of the previous frame
  int now = 0;                        // feature slot of this frame; may be the same
  const float* masks_prev = nullptr;  // (N,1,H/8,W/8), rows from `tracks` on are zero; valid during the call
  int32_t tracks = 0;
  const int32_t* rows = nullptr;  // (N,) rows of the instance head, -1 from `detections` on: such a row is zero
  int32_t detections = 0;
};

// The semantic logits that are read: some rows of some classes.
struct LogitRows {
  const int32_t* classes = nullptr;
  int32_t count = 0;              // of classes
  const uint8_t* rows = nullptr;  // (H/4,), not 0 where a row is read
};

// A call of the appearance head on at most N detections.
struct AppearanceCall {
  int chunk = 0;                  // of the motion call with the same detections, whose f_p it reads
  const int32_t* rows = nullptr;  // (N,) as in MotionCall
  int32_t detections = 0;
};

class Network {
 public:
  virtual ~Network() = default;

  virtual const ModelInfo& info() const = 0;

  // Preprocesses an image: keeps its aspect, resizes it bilinearly as `runtime/perception/preprocess.py` does, and
  // fills the rest with zeros. `pixels` is the input (H,W,3) in host memory until the next `prepare`.
  virtual Status prepare(const Image& image, const Letterbox& letterbox, const uint8_t** pixels) noexcept = 0;

  // The stages of a frame, in this order, on the image that was prepared. A device may only have queued their work when
  // they return. Each fills its part of `seen`, and checks what it does not hand out for NaN and infinity where that
  // lies on the host. The tracker checks what it reads.
  virtual Status backbone() noexcept = 0;
  virtual Status semantic(int features, Perception* seen) noexcept = 0;  // fills this feature slot
  virtual Status instance(Perception* seen) noexcept = 0;

  // Waits until the host has what the calls before handed out. After the stages it also sets the count of `seen`; after
  // the heads behind the detections there is none. A network on the host has nothing to do here.
  virtual Status wait(Perception* /*seen*/) noexcept { return {}; }

  // The semantic logits (K,H/4,W/4) of this frame, which few frames need. Only what is wanted is there.
  virtual Status logits(const LogitRows& wanted, const float** planes) noexcept = 0;

  // `propagated` are logits (N,1,H/8,W/8), there after `wait`, until the next `prepare`.
  virtual Status motion(const MotionCall& call, const float** propagated) noexcept = 0;

  // `embeddings` (N,E) as the head gives them, there after `wait`, until the next `prepare`.
  virtual Status appearance(const AppearanceCall& call, const float** embeddings) noexcept = 0;

  // Copies the features (S,H/8,W/8) of a slot into host memory. Any thread may call it while another one runs a frame
  // that fills another slot.
  virtual Status read_features(int slot, float* out) noexcept = 0;

  // Fills a slot from host memory, with what `read_features` gave.
  virtual Status write_features(int slot, const float* in) noexcept = 0;

  // What runs a subgraph, e.g. "CPUExecutionProvider"; for `health`.
  virtual const char* provider(int subgraph) const noexcept = 0;
};

}  // namespace mapt
