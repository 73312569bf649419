"""HOTA and its parts.

Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", International
Journal of Computer Vision 129 (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mapt.metrics.mot.objects import Floats, FrameObjects, Ints, TrackIndex

ALPHAS = np.arange(1, 20) / 20  # localisation thresholds 0.05, 0.10 ... 0.95
EPSILON = np.finfo(np.float64).eps  # an IoU that equals a threshold passes it


@dataclass(frozen=True)
class HotaSums:
    """What HOTA adds up over sequences and classes: each (19,) float64, one value an alpha.

    Attributes:
        tp: matches with an IoU of at least alpha.
        fn: objects without one.
        fp: predictions without one.
        association: A(c), summed over the matches c.
        iou: their IoU, summed.
    """

    tp: Floats
    fn: Floats
    fp: Floats
    association: Floats
    iou: Floats


def hota_sums(frames: Sequence[FrameObjects], tracks: TrackIndex) -> HotaSums:
    """The sums of one class in one sequence."""
    pair, iou = _matches(frames, tracks)
    passed = iou >= ALPHAS[:, None] - EPSILON  # (19,matches)
    tp = passed.sum(1).astype(np.float64)
    return HotaSums(
        tp=tp,
        fn=tracks.gt_frames.sum() - tp,
        fp=tracks.pred_frames.sum() - tp,
        association=np.array([_association(pair[at], tracks) for at in passed]),
        iou=np.where(passed, iou, 0).sum(1),
    )


def _matches(frames: Sequence[FrameObjects], tracks: TrackIndex) -> tuple[Ints, Floats]:
    """The pair of tracks and the IoU of every match of the sequence, before any threshold.

    A frame's matches maximise the sum of IoU times global alignment, which favours pairs of tracks
    that overlap throughout the sequence.
    """
    common = np.zeros(len(tracks.gt_of_pair))
    for frame, pairs in zip(frames, tracks.pairs, strict=True):
        share = frame.matrix(frame.iou)
        either = share.sum(1)[frame.rows] + share.sum(0)[frame.columns] - frame.iou
        common[pairs] += frame.iou / either
    alignment = common / tracks.union(common)
    matched_pairs = []
    matched_iou = []
    for frame, pairs in zip(frames, tracks.pairs, strict=True):
        score = frame.matrix(alignment[pairs] * frame.iou)
        partner = np.full(len(frame.gt_ids), -1)
        rows, columns = linear_sum_assignment(score, maximize=True)
        partner[rows] = columns
        chosen = partner[frame.rows] == frame.columns
        matched_pairs.append(pairs[chosen])
        matched_iou.append(frame.iou[chosen])
    return np.concatenate(matched_pairs), np.concatenate(matched_iou)


def _association(pair: Ints, tracks: TrackIndex) -> float:
    """Sum A(c) = TPA / (TPA + FNA + FPA) over the matches, given their pairs of tracks."""
    common = np.bincount(pair, minlength=len(tracks.gt_of_pair)).astype(np.float64)
    return float(np.sum(common * common / tracks.union(common)))


@dataclass(frozen=True)
class HotaScores:
    """HOTA and its parts, averaged over alpha; None where undefined."""

    HOTA: float | None
    DetA: float | None
    AssA: float | None
    LocA: float | None


def hota_scores(parts: Sequence[HotaSums]) -> HotaScores:
    """Scores of sequences and classes taken together."""
    tp, fn, fp, association, iou = (
        np.sum([getattr(part, name) for part in parts], axis=0) if parts else np.zeros(len(ALPHAS))
        for name in ("tp", "fn", "fp", "association", "iou")
    )
    if not (tp + fn + fp).any():
        return HotaScores(None, None, None, None)
    detection = tp / (tp + fn + fp)
    matched = np.maximum(1, tp)
    mean_association = association / matched
    found = bool(tp.any())
    return HotaScores(
        HOTA=float(np.sqrt(detection * mean_association).mean()),
        DetA=float(detection.mean()),
        AssA=float(mean_association.mean()) if found else None,
        LocA=float(np.where(tp > 0, iou / matched, 1).mean()) if found else None,
    )
