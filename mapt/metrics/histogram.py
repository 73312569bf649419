"""The joint histogram of a frame: every metric is computed from it alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.labels.step_png import ID_BITS, MAX_INSTANCE, Packed

Counts = NDArray[np.int64]
SIDE_BITS = 24  # of a packed pixel: 8 of the class, 16 of the id


@dataclass(frozen=True)
class JointHistogram:
    """Pixel counts of every combination that occurs; all arrays (n,) int64."""

    gt_class: Counts
    gt_id: Counts
    pred_class: Counts
    pred_id: Counts
    count: Counts

    def map_pred_classes(self, table: NDArray[np.uint8]) -> JointHistogram:
        """Return the histogram after every predicted class c has become table[c].

        The table has the shape (256,). Ids of classes that change become 0.
        """
        mapped = table[self.pred_class].astype(np.int64)
        ids = np.where(mapped == self.pred_class, self.pred_id, 0)
        return _merge(self.gt_class << ID_BITS | self.gt_id, mapped << ID_BITS | ids, self.count)


def joint_histogram(gt: Packed, pred: Packed, things: Collection[int]) -> JointHistogram:
    """Count (gt class, gt id, predicted class, predicted id) over the pixels of a frame.

    Ids count only in thing classes.

    Label maps are made of runs of equal pixels: only where either side changes along a row is a key
    formed and sorted, weighted by the run's length, which is ten times less than sorting every
    pixel.

    Args:
        gt: packed frame (H,W) uint32.
        pred: the same, of the same size.
        things: classes whose ids count.

    Returns:
        The combinations with at least one pixel, ordered by ground truth, then prediction.
    """
    g = gt.ravel()
    p = pred.ravel()
    changes = g[1:] != g[:-1]
    changes |= p[1:] != p[:-1]
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))[: g.size]
    keys, counts = _count_keys(
        g[starts].astype(np.int64) << SIDE_BITS | p[starts],
        np.diff(starts, append=g.size).astype(np.int64),
    )
    sides = keys >> SIDE_BITS, keys & (1 << SIDE_BITS) - 1
    is_thing = np.zeros(256, np.bool_)
    is_thing[list(things)] = True
    without_ids = [
        np.where(is_thing[side >> ID_BITS], side, side & ~MAX_INSTANCE) for side in sides
    ]
    return _merge(without_ids[0], without_ids[1], counts)


def _merge(gt: Counts, pred: Counts, count: Counts) -> JointHistogram:
    """A histogram of packed pairs that may repeat."""
    keys, counts = _count_keys(gt << SIDE_BITS | pred, count)
    g = keys >> SIDE_BITS
    p = keys & (1 << SIDE_BITS) - 1
    return JointHistogram(g >> ID_BITS, g & MAX_INSTANCE, p >> ID_BITS, p & MAX_INSTANCE, counts)


def _count_keys(keys: Counts, weights: Counts) -> tuple[Counts, Counts]:
    """The keys that occur, ascending, and the sum of each one's weights."""
    unique, inverse = np.unique(keys, return_inverse=True)
    # As floats the sums are exact: a frame has far less than 2^53 pixels.
    return unique, np.bincount(inverse, weights, minlength=len(unique)).astype(np.int64)
