#include "runtime/core/label_rendering.h"

#include <algorithm>

#include "runtime/core/clones.h"

namespace mapt {
namespace {

// The cell in which the centre of a pixel lies, of `count` pixels over `cells` cells.
int32_t nearest(int64_t pixel, int64_t count, int64_t cells) {
  return static_cast<int32_t>((2 * pixel + 1) * cells / (2 * count));
}

// What stands for each instance's number in the maps; number 0 is none.
struct Palette {
  const uint8_t* classes;
  const int32_t* ids;
};

constexpr int32_t kRun = 32;  // pixels that are written at once where no instance covers them

// Renders a row of pixels that is not resized.
MAPT_CLONES void paint_row(const uint8_t* labels, const int32_t* index, int32_t count, const Palette& palette,
                           uint8_t* semantic, int32_t* instance) {
  int32_t x = 0;
  for (; x + kRun <= count; x += kRun) {
    int32_t covered = 0;
    for (int32_t i = 0; i < kRun; ++i) covered |= index[x + i];
    if (!covered) {
      for (int32_t i = 0; i < kRun; ++i) semantic[x + i] = labels[x + i];
      for (int32_t i = 0; i < kRun; ++i) instance[x + i] = 0;
      continue;
    }
    for (int32_t i = x; i < x + kRun; ++i) {
      instance[i] = palette.ids[index[i]];
      semantic[i] = index[i] ? palette.classes[index[i]] : labels[i];
    }
  }
  for (; x < count; ++x) {
    instance[x] = palette.ids[index[x]];
    semantic[x] = index[x] ? palette.classes[index[x]] : labels[x];
  }
}

MAPT_CLONES bool all_equal(const uint8_t* values, int64_t count, uint8_t wanted) {
  uint8_t differs = 0;
  for (int64_t i = 0; i < count; ++i) differs |= values[i] ^ wanted;
  return !differs;
}

}  // namespace

LabelRenderer::LabelRenderer(const ModelInfo& info) : info_(info), classes_(info.slots() + 1), ids_(info.slots() + 1) {
  columns_.reserve(kMostSide);
}

bool LabelRenderer::run(const uint8_t* labels, const Fusion& fused, const std::vector<int32_t>& ids,
                        const Letterbox& letterbox, Frame* frame) {
  for (size_t i = 0; i < ids.size(); ++i) {
    classes_[i + 1] = static_cast<uint8_t>(fused.instances()[i].label);
    ids_[i + 1] = ids[i];
  }
  choose_columns(letterbox);
  bool one_class = true;
  int32_t before = -1;
  for (int32_t y = 0; y < letterbox.height; ++y) {
    uint8_t* semantic = frame->semantic.data() + int64_t{y} * letterbox.width;
    int32_t* instance = frame->instance.data() + int64_t{y} * letterbox.width;
    const int32_t row = nearest(y, letterbox.height, letterbox.inner_height);
    if (row == before) {
      std::copy(semantic - letterbox.width, semantic, semantic);
      std::copy(instance - letterbox.width, instance, instance);
      continue;
    }
    before = row;
    const int64_t start = int64_t{row} * info_.width();
    paint(labels + start, fused.index() + start, letterbox, semantic, instance);
    one_class = one_class && all_equal(semantic, letterbox.width, frame->semantic[0]);
  }
  return one_class;
}

void LabelRenderer::choose_columns(const Letterbox& letterbox) {
  if (letterbox.width == width_ && letterbox.inner_width == inner_width_) return;
  width_ = letterbox.width;
  inner_width_ = letterbox.inner_width;
  columns_.resize(width_);
  for (int32_t x = 0; x < width_; ++x) columns_[x] = nearest(x, width_, inner_width_);
}

void LabelRenderer::paint(const uint8_t* labels, const int32_t* index, const Letterbox& letterbox, uint8_t* semantic,
                          int32_t* instance) const {
  if (letterbox.width == letterbox.inner_width) {
    paint_row(labels, index, letterbox.width, {classes_.data(), ids_.data()}, semantic, instance);
    return;
  }
  for (int32_t x = 0; x < letterbox.width; ++x) {
    const int32_t number = index[columns_[x]];
    instance[x] = ids_[number];
    semantic[x] = number ? classes_[number] : labels[columns_[x]];
  }
}

void list_tracks(const TrackerState& state, const Letterbox& letterbox, std::vector<FrameTrack>* tracks) {
  tracks->clear();
  for (const bool lost : {false, true}) {
    for (const Track& track : state.tracks) {
      if ((track.lost > 0) != lost) continue;
      FrameTrack shown;
      shown.id = track.id;
      shown.label = track.label;
      shown.score = track.score;
      shown.age = track.age;
      shown.lost = track.lost;
      for (int corner = 0; corner < 4; ++corner) {
        const double scale = corner % 2 ? letterbox.scale_y() : letterbox.scale_x();
        const double most = corner % 2 ? letterbox.height : letterbox.width;
        shown.box[corner] = std::min(track.box[corner] * scale, most);
      }
      tracks->push_back(shown);
    }
  }
}

}  // namespace mapt
