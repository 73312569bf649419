// The position of a box in the pyramid, and the shares of cells in its bins.
#pragma once

#include "common/sample.h"
#include "operators/roi_align/params.h"

MAPT_BEGIN

template <class C>
struct PlacedBox {
  int level;  // -1 if no image of the batch has the box, whose features are then zero
  int64_t image;
  BoxSide<C> y, x;
};

template <class T, class C>
MAPT_INLINE PlacedBox<C> place_box(const RoiAlign<T, C>& p, int64_t r) {
  const C* box = p.boxes + r * 5;
  PlacedBox<C> placed{-1, 0, {C(0), C(0)}, {C(0), C(0)}};
  if (!(box[0] >= C(0) && box[0] < static_cast<C>(p.batch))) return placed;
  placed.image = static_cast<int64_t>(box[0]);
  if (static_cast<C>(placed.image) != box[0]) return placed;
  placed.level = level_of(box[1], box[2], box[3], box[4]);
  placed.y = box_side(box[2], box[4], p.strides[placed.level], p.size);
  placed.x = box_side(box[1], box[3], p.strides[placed.level], p.size);
  return placed;
}

// The share of a cell in a bin along an axis, which is an average over the bin's samples.
template <class C>
MAPT_INLINE C cell_share(BoxSide<C> side, int64_t bin, int64_t ratio, int64_t size, int64_t cell) {
  C share = 0;
  for (int64_t i = 0; i < ratio; ++i) {
    const AxisSample<C> s = axis_sample(side, bin, i, ratio, size);
    share += (s.low == cell ? s.low_weight : C(0)) + (s.high == cell ? s.high_weight : C(0));
  }
  return share / static_cast<C>(ratio);
}

// The first and the last cell of an axis that a bin reads. If no bin reads any, last < first.
struct Reach {
  int32_t first, last;
};

template <class C>
MAPT_INLINE Reach reach_of(BoxSide<C> side, int64_t bins, int64_t ratio, int64_t size) {
  Reach reach{INT32_MAX, -1};
  for (int64_t i = 0; i < bins * ratio; ++i) {
    const AxisSample<C> s = axis_sample(side, i / ratio, i % ratio, ratio, size);
    if (s.low_weight != C(0)) reach.first = min(reach.first, s.low), reach.last = max(reach.last, s.low);
    if (s.high_weight != C(0)) reach.first = min(reach.first, s.high), reach.last = max(reach.last, s.high);
  }
  return reach;
}

MAPT_END
