"""CLEAR MOT and its form for masks.

Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT
Metrics", EURASIP Journal on Image and Video Processing (2008). Voigtlaender et al., "MOTS:
Multi-Object Tracking and Segmentation", CVPR (2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mapt.metrics.mot.objects import FrameObjects, Ints, TrackIndex

THRESHOLD = 0.5  # IoU of a match, at least
CONTINUED = 1000.0  # added to the IoU of a pair that was matched before: continuing comes first
NOBODY = -1


@dataclass(frozen=True)
class ClearSums:
    """What CLEAR MOT adds up over sequences and classes.

    Attributes:
        tp: matches.
        fn: objects without a match.
        fp: predictions without one.
        switches: matches of a track whose last match was another prediction (IDSW).
        fragments: times that a track's matches begin anew after a break (Frag).
        iou: of the matches, summed.
    """

    tp: int
    fn: int
    fp: int
    switches: int
    fragments: int
    iou: float


def clear_sums(frames: Sequence[FrameObjects], tracks: TrackIndex) -> ClearSums:
    """The sums of one class in one sequence.

    As in TrackEval, a frame in which either side has no object of the class breaks no track.
    """
    count = len(tracks.gt_frames)
    last = np.full(count, NOBODY)  # each track's last match
    current = np.full(count, NOBODY)  # its match in the last frame that had objects of both sides
    starts = np.zeros(count, np.int64)
    tp = 0
    switches = 0
    iou = 0.0
    for frame, gt, pred in zip(frames, tracks.gt_tracks, tracks.pred_tracks, strict=True):
        if not (gt.size and pred.size):
            continue
        chosen = _match(frame, current[gt], pred)
        track = gt[frame.rows[chosen]]
        match = pred[frame.columns[chosen]]
        tp += len(track)
        iou += float(frame.iou[chosen].sum())
        switches += int(((last[track] != NOBODY) & (last[track] != match)).sum())
        starts[track] += current[track] == NOBODY
        last[track] = match
        current[:] = NOBODY
        current[track] = match
    return ClearSums(
        tp=tp,
        fn=int(tracks.gt_frames.sum()) - tp,
        fp=int(tracks.pred_frames.sum()) - tp,
        switches=switches,
        fragments=int((starts[starts > 0] - 1).sum()),
        iou=iou,
    )


def _match(frame: FrameObjects, current: Ints, pred: Ints) -> Ints:
    """Which of a frame's pairs are matches: the most that continue, then the highest IoU."""
    possible = np.flatnonzero(frame.iou >= THRESHOLD)
    score = np.zeros(len(frame.iou))
    continues = pred[frame.columns[possible]] == current[frame.rows[possible]]
    score[possible] = frame.iou[possible] + CONTINUED * continues
    partner = np.full(len(frame.gt_ids), NOBODY)
    rows, columns = linear_sum_assignment(frame.matrix(score), maximize=True)
    partner[rows] = columns
    matches: Ints = possible[partner[frame.rows[possible]] == frame.columns[possible]]
    return matches


@dataclass(frozen=True)
class ClearScores:
    """MOTA and its parts; None where undefined.

    With masks, MOTSA is MOTA and MOTSP is MOTP. Both names are given, since both are quoted.
    """

    MOTA: float | None
    MOTP: float | None
    MOTSA: float | None
    sMOTSA: float | None
    MOTSP: float | None
    IDSW: int
    FP: int
    FN: int
    Frag: int


def clear_scores(parts: Sequence[ClearSums]) -> ClearScores:
    """Scores of sequences and classes taken together."""
    tp = sum(part.tp for part in parts)
    fn = sum(part.fn for part in parts)
    fp = sum(part.fp for part in parts)
    switches = sum(part.switches for part in parts)
    iou = sum(part.iou for part in parts)
    objects = tp + fn
    accuracy = (tp - fp - switches) / objects if objects else None
    precision = iou / tp if tp else None
    return ClearScores(
        MOTA=accuracy,
        MOTP=precision,
        MOTSA=accuracy,
        sMOTSA=(iou - fp - switches) / objects if objects else None,
        MOTSP=precision,
        IDSW=switches,
        FP=fp,
        FN=fn,
        Frag=sum(part.fragments for part in parts),
    )
