"""The objects of one class, frame by frame, as HOTA, IDF1 and CLEAR MOT see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.labels.step_png import VOID
from mapt.metrics.histogram import JointHistogram

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FrameObjects:
    """The objects of one class in one frame, and the pairs that share pixels.

    Attributes:
        gt_ids: (G,) int64, ascending.
        pred_ids: (P,) int64, ascending, without predictions on ignored regions.
        rows: (n,) int64, the position in `gt_ids` of a pair that shares pixels.
        columns: (n,) int64, its position in `pred_ids`.
        iou: (n,) float64, its intersection over union, above 0.
    """

    gt_ids: Ints
    pred_ids: Ints
    rows: Ints
    columns: Ints
    iou: Floats

    def matrix(self, values: Floats) -> Floats:
        """(G,P) float64 with `values` (n,) at the pairs, and 0 elsewhere."""
        dense = np.zeros((len(self.gt_ids), len(self.pred_ids)))
        dense[self.rows, self.columns] = values
        return dense


def class_objects(histogram: JointHistogram, label: int) -> FrameObjects:
    """The objects of class `label` in a frame.

    Objects have an id above 0. A prediction that matches no object of its class (IoU of at least
    one half) is left out if more than half of it lies on void or on a crowd of its class.
    """
    h = histogram
    truth = (h.gt_class == label) & (h.gt_id > 0)
    said = (h.pred_class == label) & (h.pred_id > 0)
    gt_ids, gt_area = _areas(h.gt_id[truth], h.count[truth])
    pred_ids, pred_area = _areas(h.pred_id[said], h.count[said])
    both = truth & said
    rows = np.searchsorted(gt_ids, h.gt_id[both])
    columns = np.searchsorted(pred_ids, h.pred_id[both])
    shared = h.count[both]
    union = gt_area[rows] + pred_area[columns] - shared
    matched = np.zeros(len(pred_ids), np.bool_)
    matched[columns[2 * shared >= union]] = True
    ignored = said & ((h.gt_class == VOID) | ((h.gt_class == label) & (h.gt_id == 0)))
    on_ignored = np.zeros(len(pred_ids), np.int64)
    np.add.at(on_ignored, np.searchsorted(pred_ids, h.pred_id[ignored]), h.count[ignored])
    keep = matched | (2 * on_ignored <= pred_area)
    kept = keep[columns]
    position = np.cumsum(keep) - 1
    return FrameObjects(
        gt_ids,
        pred_ids[keep],
        rows[kept],
        position[columns[kept]],
        shared[kept] / union[kept],
    )


def _areas(ids: Ints, count: Ints) -> tuple[Ints, Ints]:
    """The ids that occur, ascending, and the pixels of each."""
    unique, inverse = np.unique(ids, return_inverse=True)
    area = np.zeros(len(unique), np.int64)
    np.add.at(area, inverse, count)
    return unique, area


@dataclass(frozen=True)
class TrackIndex:
    """The tracks of one class over a sequence, and the pairs of tracks that ever share pixels.

    Attributes:
        gt_frames: (G,) int64, frames of each ground-truth track, by ascending id.
        pred_frames: (P,) int64, frames of each predicted track, by ascending id.
        gt_of_pair: (M,) int64, the ground-truth track of each pair.
        pred_of_pair: (M,) int64, its predicted track.
        gt_tracks: of every frame, the track of each object (g,) int64.
        pred_tracks: the same of each prediction (p,) int64.
        pairs: of every frame, the pair of tracks of each pair of objects (n,) int64.
    """

    gt_frames: Ints
    pred_frames: Ints
    gt_of_pair: Ints
    pred_of_pair: Ints
    gt_tracks: list[Ints]
    pred_tracks: list[Ints]
    pairs: list[Ints]

    @classmethod
    def of(cls, frames: Sequence[FrameObjects]) -> TrackIndex:
        """Number the tracks and pairs of `frames`, of which there is at least one."""
        gt_ids, gt_frames = np.unique(
            np.concatenate([f.gt_ids for f in frames]), return_counts=True
        )
        pred_ids, pred_frames = np.unique(
            np.concatenate([f.pred_ids for f in frames]), return_counts=True
        )
        gt_tracks = [np.searchsorted(gt_ids, f.gt_ids) for f in frames]
        pred_tracks = [np.searchsorted(pred_ids, f.pred_ids) for f in frames]
        keys = [
            gt[f.rows] * len(pred_ids) + pred[f.columns]
            for f, gt, pred in zip(frames, gt_tracks, pred_tracks, strict=True)
        ]
        pairs = np.unique(np.concatenate(keys))
        return cls(
            gt_frames,
            pred_frames,
            pairs // max(1, len(pred_ids)),
            pairs % max(1, len(pred_ids)),
            gt_tracks,
            pred_tracks,
            [np.searchsorted(pairs, key) for key in keys],
        )

    def union(self, common: Floats) -> Floats:
        """Frames in which either track of a pair is, (M,), given the common ones (M,)."""
        frames: Ints = self.gt_frames[self.gt_of_pair] + self.pred_frames[self.pred_of_pair]
        return frames - common
