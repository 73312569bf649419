"""From sums to numbers: PQ, SQ, AQ, STQ, TQ and PAT."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import BACKGROUND, VOID
from mapt.metrics.sequence import Quality, SequenceSums

Number = float | None  # None: undefined


@dataclass(frozen=True)
class Scores:
    """The metrics of a sequence or a dataset: fractions in [0,1], counts, None where undefined."""

    PAT: Number
    PQ: Number
    PQ_things: Number
    PQ_stuff: Number
    TQ: Number
    STQ: Number
    AQ: Number
    SQ: Number
    IDS: int
    N_IDS: int
    num_gt_tracks: int


@dataclass(frozen=True)
class ClassScores:
    """The metrics of one class; the tracking ones only for things."""

    PQ: Number
    IoU: Number
    TQ: Number = None
    PAT: Number = None
    IDS: int | None = None


@dataclass(frozen=True)
class Results:
    """Everything: the dataset, each sequence, each class that occurs."""

    dataset: Scores
    sequences: dict[str, Scores]
    classes: dict[str, ClassScores]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`; undefined becomes null."""
        return asdict(self)


def compute_scores(
    parts: Sequence[SequenceSums], labels: ClassSet, variant: str, void_pred_as_class: bool = True
) -> Scores:
    """Scores over sequences taken together."""
    pq = class_pq(parts)
    defined = {c: v for c, v in pq.items() if c != BACKGROUND}
    if variant == "nuscenes":
        defined = {c: defined.get(c, 0.0) for c in range(len(labels.classes))}
    things = set(labels.things)
    overall = _mean(defined.values())
    tracks = [(track_quality(part, g), track) for part in parts for g, track in part.tracks.items()]
    tq = _mean(value for value, _ in tracks)
    aq = _association(parts)
    ious = class_iou(parts, labels, with_void=void_pred_as_class)
    sq = _mean(ious.values())
    return Scores(
        PAT=harmonic(overall, tq),
        PQ=overall,
        PQ_things=_mean(v for c, v in defined.items() if c in things),
        PQ_stuff=_mean(v for c, v in defined.items() if c not in things),
        TQ=tq,
        STQ=None if sq is None else math.sqrt(aq * sq),
        AQ=aq,
        SQ=sq,
        IDS=sum(track.changes for _, track in tracks),
        N_IDS=sum(track.frames - 1 for _, track in tracks),
        num_gt_tracks=len(tracks),
    )


def compute_classes(parts: Sequence[SequenceSums], labels: ClassSet) -> dict[str, ClassScores]:
    """Scores of each class that occurs in ground truth or prediction."""
    pq = class_pq(parts)
    iou = class_iou(parts, labels, with_void=False)
    out = {}
    for c, name in enumerate(labels.classes):
        if c not in pq and c not in iou:
            continue
        if c not in labels.things:
            out[name] = ClassScores(pq.get(c), iou.get(c))
            continue
        tracks = [(track_quality(p, g), t) for p in parts for g, t in p.tracks.items() if g[0] == c]
        tq = _mean(value for value, _ in tracks)
        changes = sum(t.changes for _, t in tracks)
        out[name] = ClassScores(pq.get(c), iou.get(c), tq, harmonic(pq.get(c), tq), changes)
    return out


def class_pq(parts: Iterable[SequenceSums]) -> dict[int, float]:
    """PQ of each class with at least one segment."""
    total: dict[int, Quality] = {}
    for part in parts:
        for c, q in part.quality.items():
            t = total.setdefault(c, Quality())
            t.iou = t.iou + q.iou
            t.tp = t.tp + q.tp
            t.fp = t.fp + q.fp
            t.fn = t.fn + q.fn
    return {
        c: q.iou / (q.tp + q.fp / 2 + q.fn / 2)
        for c, q in sorted(total.items())
        if q.tp + q.fp + q.fn
    }


def class_iou(parts: Sequence[SequenceSums], labels: ClassSet, with_void: bool) -> dict[int, float]:
    """IoU of each class whose union is not empty.

    Ground-truth void is dropped. `with_void`: predicted void is itself such a class, IoU 0, as soon
    as one non-void pixel is predicted void.
    """
    confusion = (
        np.sum([part.confusion for part in parts], axis=0)
        if parts
        else np.zeros((256, 256), np.int64)
    )
    confusion[VOID] = 0
    out = {}
    for c in range(len(labels.classes)):
        inter = int(confusion[c, c])
        union = int(confusion[c].sum() + confusion[:, c].sum()) - inter
        if union:
            out[c] = inter / union
    if with_void and confusion[:, VOID].any():
        out[VOID] = 0.0
    return out


def _association(parts: Iterable[SequenceSums]) -> float:
    """AQ: over all ground-truth tubes of all sequences."""
    total = 0.0
    tubes = 0
    for part in parts:
        tubes += len(part.gt_pixels)
        for (g, p), n in part.common.items():
            size = part.gt_pixels[g]
            total += n * n / (size + part.pred_pixels[p] - n) / size
    return total / tubes if tubes else 0.0


def track_quality(part: SequenceSums, g: tuple[int, int]) -> float:
    """Compute TQ(g) = sqrt((1 - IDS / N_IDS) * AS(g)) (Eq. 9-10).

    The first factor is 1 for a track of a single frame.
    """
    track = part.tracks[g]
    score = (
        sum(n * n / (track.frames + part.pred_frames[p] - n) for p, n in track.hits.items())
        / track.frames
    )
    keep = 1 - track.changes / (track.frames - 1) if track.frames > 1 else 1.0
    return math.sqrt(keep * score)


def harmonic(pq: Number, tq: Number) -> Number:
    """PAT: the harmonic mean; 0 where both are 0, undefined where either is."""
    if pq is None or tq is None:
        return None
    return 2 * pq * tq / (pq + tq) if pq + tq else 0.0


def _mean(values: Iterable[float]) -> Number:
    found = list(values)
    return math.fsum(found) / len(found) if found else None
