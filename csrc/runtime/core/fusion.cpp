#include "runtime/core/fusion.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/clones.h"
#include "runtime/core/sigmoid.h"

namespace mapt {
namespace {

// A line of samples along its columns.
struct Line {
  const float* cells;
  const Taps& taps;
};

struct Counts {
  int32_t area;
  int32_t free;
};

// The fused logits of a row of pixels, how many are positive, and how many of these nobody has claimed. The plane's
// add at most `limit`.
MAPT_CLONES Counts fuse_row(const Line& mask, const Line& plane, float limit, const int32_t* index, int32_t count,
                            float* level) {
  const int32_t* mask_first = mask.taps.first.data();
  const int32_t* mask_second = mask.taps.second.data();
  const float* mask_rest = mask.taps.rest.data();
  const float* mask_weight = mask.taps.weight.data();
  const int32_t* plane_first = plane.taps.first.data();
  const int32_t* plane_second = plane.taps.second.data();
  const float* plane_rest = plane.taps.rest.data();
  const float* plane_weight = plane.taps.weight.data();
  Counts counts = {0, 0};
  for (int32_t x = 0; x < count; ++x) {
    const float instance = mask.cells[mask_first[x]] * mask_rest[x] + mask.cells[mask_second[x]] * mask_weight[x];
    const float margin = plane.cells[plane_first[x]] * plane_rest[x] + plane.cells[plane_second[x]] * plane_weight[x];
    const float semantic = std::min(margin, limit);
    const float fused = (sigmoid(instance) + sigmoid(semantic)) * (instance + semantic);
    level[x] = fused;
    const int32_t positive = fused > 0;
    counts.area += positive;
    counts.free += positive & (index[x] == 0);
  }
  return counts;
}

MAPT_CLONES void win_row(const float* level, int32_t number, int32_t count, int32_t* index, float* best) {
  for (int32_t x = 0; x < count; ++x) {
    const bool wins = level[x] > best[x];
    index[x] = wins ? number : index[x];
    best[x] = wins ? level[x] : best[x];
  }
}

MAPT_CLONES int32_t count_row(const int32_t* index, int32_t number, int32_t count) {
  int32_t found = 0;
  for (int32_t x = 0; x < count; ++x) found += index[x] == number;
  return found;
}

// Adds to each cell of a row of coarse cells how many of its pixels in one row of pixels belong to an instance.
MAPT_CLONES void count_cells(const int32_t* index, int32_t number, int32_t cells, float* sums) {
  for (int32_t cell = 0; cell < cells; ++cell) {
    int32_t found = 0;
    for (int32_t x = 0; x < kCoarse; ++x) found += index[cell * kCoarse + x] == number;
    sums[cell] += static_cast<float>(found);
  }
}

int32_t clamp(double value, int32_t low, int32_t high) {
  return static_cast<int32_t>(std::min<double>(std::max<double>(value, low), high));
}

}  // namespace

Fusion::Fusion(const ModelInfo& info)
    : info_(info),
      plane_of_(info.classes.size(), -1),
      index_(info.pixels()),
      best_(info.pixels()),
      level_(info.pixels()),
      mask_line_(kMaskSide),
      plane_line_(info.width() / kStride),
      mask_rows_(info.height()),
      mask_columns_(info.width()),
      plane_rows_(info.height()),
      plane_columns_(info.width()) {
  for (size_t plane = 0; plane < info.things.size(); ++plane) plane_of_[info.things[plane]] = static_cast<int>(plane);
  claims_.reserve(info.slots());
  instances_.reserve(info.slots());
}

void Fusion::run(const Detections& found, const Letterbox& letterbox, MaskRows* masks) {
  clear();
  const float least = static_cast<float>(info_.thresholds.score);
  for (int32_t i = 0; i < found.count; ++i) {
    if (!(found.score(i) >= least)) continue;
    const Window window = window_of(found.box(i));
    int64_t area = 0;
    int64_t free = 0;
    level(found, i, window, &area, &free);
    if (area < info_.thresholds.min_area ||
        static_cast<double>(free) < info_.thresholds.overlap * static_cast<double>(area)) {
      continue;
    }
    claims_.push_back({i, window, 0, false, 0});
    claim(window, static_cast<int32_t>(claims_.size()));
  }
  int32_t kept = 0;
  for (size_t i = 0; i < claims_.size(); ++i) {
    measure(&claims_[i], static_cast<int32_t>(i + 1), letterbox);
    const bool visible = claims_[i].area >= std::max<int64_t>(info_.thresholds.min_area, 1) && claims_[i].inside;
    claims_[i].number = visible ? ++kept : 0;
  }
  if (kept < static_cast<int32_t>(claims_.size())) renumber();
  for (const Claim& claim : claims_) {
    if (claim.number) instances_.push_back(collect(found, claim, masks));
  }
}

void Fusion::hide(int32_t i) {
  const Instance& instance = instances_[i];
  for (auto y = static_cast<int32_t>(instance.box[1]); y < static_cast<int32_t>(instance.box[3]); ++y) {
    int32_t* row = index_.data() + int64_t{y} * info_.width();
    std::replace(row + static_cast<int32_t>(instance.box[0]), row + static_cast<int32_t>(instance.box[2]), i + 1, 0);
  }
}

// Only the windows of the last frame hold anything.
void Fusion::clear() {
  for (const Claim& claim : claims_) {
    for (int32_t y = claim.window.y1; y < claim.window.y2; ++y) {
      const int64_t start = int64_t{y} * info_.width() + claim.window.x1;
      std::fill_n(index_.begin() + start, claim.window.width(), 0);
      std::fill_n(best_.begin() + start, claim.window.width(), 0.0f);
    }
  }
  claims_.clear();
  instances_.clear();
}

// The pixels whose centres lie in a box, at least one. A box may be as large as float32 can say.
Window Fusion::window_of(const float* box) const {
  const auto pixel = [](float v) { return std::ceil(static_cast<double>(v) - 0.5); };
  Window window;
  window.x1 = clamp(pixel(box[0]), 0, info_.width() - 1);
  window.y1 = clamp(pixel(box[1]), 0, info_.height() - 1);
  window.x2 = clamp(pixel(box[2]), window.x1 + 1, info_.width());
  window.y2 = clamp(pixel(box[3]), window.y1 + 1, info_.height());
  return window;
}

void Fusion::level(const Detections& found, int32_t row, const Window& window, int64_t* area, int64_t* free) {
  const float* box = found.box(row);
  const float* mask = found.mask(row);
  const float* plane = found.seen->margins + plane_of_[found.label(row)] * info_.cells4();
  const Span rows = {window.y1, window.y2};
  const Span columns = {window.x1, window.x2};
  const int32_t width = info_.width() / kStride;
  const auto limit = static_cast<float>(info_.thresholds.semantic_limit);
  tap_box(rows, box[1], box[3], kMaskSide, &mask_rows_);
  tap_box(columns, box[0], box[2], kMaskSide, &mask_columns_);
  tap_plane(rows, info_.height() / kStride, &plane_rows_);
  tap_plane(columns, width, &plane_columns_);
  const Span mask_cells = cells_of(mask_columns_, columns.size());
  const Span plane_cells = cells_of(plane_columns_, columns.size());
  for (int32_t y = 0; y < rows.size(); ++y) {
    mix_rows(mask, kMaskSide, mask_rows_, y, mask_cells, mask_line_.data());
    mix_rows(plane, width, plane_rows_, y, plane_cells, plane_line_.data());
    const int32_t* index = index_.data() + int64_t{window.y1 + y} * info_.width() + window.x1;
    const Counts counts = fuse_row({mask_line_.data(), mask_columns_}, {plane_line_.data(), plane_columns_}, limit,
                                   index, columns.size(), level_.data() + int64_t{y} * columns.size());
    *area += counts.area;
    *free += counts.free;
  }
}

void Fusion::claim(const Window& window, int32_t number) {
  for (int32_t y = 0; y < window.height(); ++y) {
    const int64_t start = int64_t{window.y1 + y} * info_.width() + window.x1;
    win_row(level_.data() + int64_t{y} * window.width(), number, window.width(), index_.data() + start,
            best_.data() + start);
  }
}

void Fusion::measure(Claim* claim, int32_t number, const Letterbox& letterbox) const {
  const Window& window = claim->window;
  const int32_t inner = std::min(window.x2, letterbox.inner_width) - window.x1;
  for (int32_t y = window.y1; y < window.y2; ++y) {
    const int32_t* row = index_.data() + int64_t{y} * info_.width() + window.x1;
    claim->area += count_row(row, number, window.width());
    if (!claim->inside && y < letterbox.inner_height) claim->inside = count_row(row, number, inner) > 0;
  }
}

void Fusion::renumber() {
  for (size_t i = 0; i < claims_.size(); ++i) {
    const auto number = static_cast<int32_t>(i + 1);
    if (claims_[i].number == number) continue;
    for (int32_t y = claims_[i].window.y1; y < claims_[i].window.y2; ++y) {
      int32_t* row = index_.data() + int64_t{y} * info_.width();
      for (int32_t x = claims_[i].window.x1; x < claims_[i].window.x2; ++x) {
        if (row[x] == number) row[x] = claims_[i].number;
      }
    }
  }
}

Instance Fusion::collect(const Detections& found, const Claim& claim, MaskRows* masks) const {
  const Window& window = claim.window;
  const Window coarse = {window.y1 / kCoarse, window.x1 / kCoarse, (window.y2 + kCoarse - 1) / kCoarse,
                         (window.x2 + kCoarse - 1) / kCoarse};
  float* mask = masks->fresh(claim.number - 1, coarse);
  Window tight = {window.y2, window.x2, window.y1, window.x1};
  for (int32_t y = window.y1; y < window.y2; ++y) {
    const int32_t* row = index_.data() + int64_t{y} * info_.width();
    const int32_t* first = std::find(row + window.x1, row + window.x2, claim.number);
    if (first == row + window.x2) continue;
    int32_t last = window.x2;
    while (row[last - 1] != claim.number) --last;
    tight = {std::min(tight.y1, y), std::min(tight.x1, static_cast<int32_t>(first - row)), y + 1,
             std::max(tight.x2, last)};
    float* sums = mask + int64_t{y / kCoarse} * masks->width() + coarse.x1;
    count_cells(row + coarse.x1 * kCoarse, claim.number, coarse.width(), sums);
  }
  for (int32_t y = coarse.y1; y < coarse.y2; ++y) {
    float* row = mask + int64_t{y} * masks->width();
    for (int32_t x = coarse.x1; x < coarse.x2; ++x) row[x] /= kCoarse * kCoarse;
  }
  Instance instance;
  instance.row = found.order[claim.row];
  instance.label = found.label(claim.row);
  instance.score = found.score(claim.row);
  const int32_t corners[4] = {tight.x1, tight.y1, tight.x2, tight.y2};
  std::copy(corners, corners + 4, instance.box);
  instance.cells = {tight.y1 / kCoarse, tight.x1 / kCoarse, (tight.y2 + kCoarse - 1) / kCoarse,
                    (tight.x2 + kCoarse - 1) / kCoarse};
  return instance;
}

}  // namespace mapt
