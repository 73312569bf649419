#include "tests/native/street.h"

#include <algorithm>

#include "runtime/core/detections.h"

namespace scripted {

mapt::ModelInfo street_info(int32_t height, int32_t width, int32_t slots) {
  mapt::ModelInfo info;
  info.classes = {"road", "car", "person"};
  info.things = {1, 2};
  mapt::Sizes& sizes = info.sizes;
  sizes.H = height;
  sizes.W = width;
  sizes.K = 3;
  sizes.D = slots;
  sizes.N = 16;
  sizes.S = 8;
  sizes.E = 64;
  sizes.F = sizes.C = sizes.M = 1;
  return info;
}

Street::Street(const mapt::ModelInfo& info, int32_t objects, unsigned seed) : info_(info), random_(seed) {
  const int64_t slots = info.slots();
  std::uniform_real_distribution<float> share(0, 1);
  for (int32_t i = 0; i < objects; ++i) {
    objects_.push_back({share(random_) * info.width(), share(random_) * info.height(), 16 + 40 * share(random_),
                        16 + 40 * share(random_), 6 * share(random_) - 3, i % 2 + 1});
  }
  pixels_.resize(info.pixels() * 3);
  labels_.resize(info.pixels());
  margins_.resize(2 * info.cells4());
  logits_.resize(3 * info.cells4());
  features_.resize(info.sizes.S * info.cells8());
  boxes_.resize(slots * 4);
  scores_.resize(slots);
  classes_.resize(slots);
  mask_logits_.resize(slots * mapt::kMaskSide * mapt::kMaskSide);
  masks8_.resize(slots * info.cells8());
  noise_.resize(info.rows() * info.cells8());
  embeddings_.resize(slots * info.sizes.E);
  script_.pixels = pixels_.data();
  script_.margins = margins_.data();
  script_.logits = logits_.data();
  script_.labels = labels_.data();
  script_.features = features_.data();
  script_.boxes = boxes_.data();
  script_.scores = scores_.data();
  script_.classes = classes_.data();
  script_.mask_logits = mask_logits_.data();
  script_.masks8 = masks8_.data();
  script_.noise = noise_.data();
  script_.embeddings = embeddings_.data();
}

const Script& Street::next() {
  for (size_t i = 0; i < pixels_.size(); i += 7) pixels_[i] = static_cast<uint8_t>(random_());
  std::fill(margins_.begin(), margins_.end(), -4.0f);
  std::fill(labels_.begin(), labels_.end(), 0);
  for (int i = 0; i < 9; ++i) labels_[random_() % labels_.size()] = 1;  // a few pixels, to be absorbed
  int32_t row = 0;
  for (size_t i = 0; i < objects_.size(); ++i) {
    Object& object = objects_[i];
    object.x += object.speed;
    if (object.x < 0 || object.x > static_cast<float>(info_.width())) object.speed = -object.speed;
    if (row == info_.slots() || random_() % 10 == 0) continue;  // hidden in this frame
    draw(row, object);
    std::fill_n(embeddings_.begin() + row * info_.sizes.E, info_.sizes.E, 0.01f);
    embeddings_[row * info_.sizes.E + static_cast<int32_t>(i) % info_.sizes.E] = 1;
    ++row;
  }
  script_.count = row;
  return script_;
}

void Street::draw(int32_t row, const Object& object) {
  float* box = boxes_.data() + 4 * row;
  box[0] = object.x - object.width / 2;
  box[1] = object.y - object.height / 2;
  box[2] = object.x + object.width / 2;
  box[3] = object.y + object.height / 2;
  scores_[row] = 0.95f - 0.001f * static_cast<float>(row);
  classes_[row] = object.label;
  const int64_t mask = mapt::kMaskSide * mapt::kMaskSide;
  std::fill_n(mask_logits_.begin() + row * mask, mask, 4.0f);
  const int32_t width = info_.width() / 4;
  const int32_t height = info_.height() / 4;
  float* plane = margins_.data() + (object.label - 1) * info_.cells4();
  for (int32_t y = std::max(0, static_cast<int32_t>(box[1] / 4)); y < std::min<float>(height, box[3] / 4); ++y) {
    for (int32_t x = std::max(0, static_cast<int32_t>(box[0] / 4)); x < std::min<float>(width, box[2] / 4); ++x) {
      plane[y * width + x] = 4;
    }
  }
}

}  // namespace scripted
