"""IDF1 and its parts.

Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCV
Workshops (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mapt.metrics.mot.objects import FrameObjects, Ints, TrackIndex

THRESHOLD = 0.5  # IoU with which a frame counts as common, at least


@dataclass(frozen=True)
class IdentitySums:
    """Objects with the right identity, those without, and predictions without."""

    tp: int
    fn: int
    fp: int


def identity_sums(frames: Sequence[FrameObjects], tracks: TrackIndex) -> IdentitySums:
    """The sums of one class in one sequence.

    Tracks of both sides are matched one to one, so that as many frames as possible are common.
    """
    common = np.zeros(len(tracks.gt_of_pair), np.int64)
    for frame, pairs in zip(frames, tracks.pairs, strict=True):
        common[pairs] += frame.iou >= THRESHOLD
    tp = _most_common_frames(tracks, common)
    return IdentitySums(tp, int(tracks.gt_frames.sum()) - tp, int(tracks.pred_frames.sum()) - tp)


def _most_common_frames(tracks: TrackIndex, common: Ints) -> int:
    """The common frames (M,) of the best one-to-one matching of tracks, in total.

    It is sought in each group of tracks that are linked by common frames, so no matrix of all
    tracks is formed.
    """
    linked = common > 0
    gt = tracks.gt_of_pair[linked]
    pred = tracks.pred_of_pair[linked]
    nodes = len(tracks.gt_frames) + len(tracks.pred_frames)
    links = coo_array((np.ones(len(gt)), (gt, len(tracks.gt_frames) + pred)), shape=(nodes, nodes))
    _, group = connected_components(links, directed=False)
    total = 0
    for one in np.unique(group[gt]):
        inside = group[gt] == one
        gt_ids, rows = np.unique(gt[inside], return_inverse=True)
        pred_ids, columns = np.unique(pred[inside], return_inverse=True)
        frames = np.zeros((len(gt_ids), len(pred_ids)), np.int64)
        frames[rows, columns] = common[linked][inside]
        total += int(frames[linear_sum_assignment(frames, maximize=True)].sum())
    return total


@dataclass(frozen=True)
class IdentityScores:
    """IDF1, IDP and IDR; None where undefined."""

    IDF1: float | None
    IDP: float | None
    IDR: float | None


def identity_scores(parts: Sequence[IdentitySums]) -> IdentityScores:
    """Scores of sequences and classes taken together."""
    tp = sum(part.tp for part in parts)
    fn = sum(part.fn for part in parts)
    fp = sum(part.fp for part in parts)
    return IdentityScores(
        IDF1=2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None,
        IDP=tp / (tp + fp) if tp + fp else None,
        IDR=tp / (tp + fn) if tp + fn else None,
    )
