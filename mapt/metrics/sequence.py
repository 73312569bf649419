"""What is remembered of one sequence: sums only, so memory does not grow with its length."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mapt.labels.step_png import VOID
from mapt.metrics.histogram import JointHistogram

Key = tuple[int, int]  # class, id


@dataclass
class Quality:
    """PQ's sums of one class."""

    iou: float = 0.0
    tp: int = 0
    fp: int = 0
    fn: int = 0


@dataclass
class TrackCounts:
    """One ground-truth track as TQ sees it.

    Attributes:
        frames: in which it has a pixel.
        first: the match in the first of them; None: no match.
        last: the match in the last of them.
        changes: IDS(g), identity changes between consecutive frames, a missing match counting on
            either side.
        hits: frames by matched prediction, TPA(p, g).
    """

    frames: int
    first: Key | None
    last: Key | None
    changes: int = 0
    hits: dict[Key, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class SequenceSums:
    """The sums of one sequence: confusion matrix, PQ, AQ and TQ."""

    confusion: NDArray[np.int64] = field(default_factory=lambda: np.zeros((256, 256), np.int64))
    quality: dict[int, Quality] = field(default_factory=lambda: defaultdict(Quality))
    gt_pixels: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    pred_pixels: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    common: dict[tuple[Key, Key], int] = field(default_factory=lambda: defaultdict(int))
    tracks: dict[Key, TrackCounts] = field(default_factory=dict)
    pred_frames: dict[Key, int] = field(default_factory=lambda: defaultdict(int))

    def add(
        self, frame: JointHistogram, things: frozenset[int], crowd_free_pq: bool = False
    ) -> None:
        """Take in one frame.

        Args:
            frame: its joint histogram.
            things: thing classes.
            crowd_free_pq: variant `nuscenes`: void and crowd pixels are deleted before PQ's
                segments are formed.
        """
        np.add.at(self.confusion, (frame.gt_class, frame.pred_class), frame.count)
        rows = [
            ((int(gc), int(gi)), (int(pc), int(pi)), int(n))
            for gc, gi, pc, pi, n in zip(
                frame.gt_class,
                frame.gt_id,
                frame.pred_class,
                frame.pred_id,
                frame.count,
                strict=True,
            )
        ]
        valid = [
            (g, p, n) for g, p, n in rows if g[0] != VOID and not (g[0] in things and g[1] == 0)
        ]
        self._add_tubes(rows, things)
        if crowd_free_pq:
            self._add_quality(valid, things, forgive=False)
        else:
            self._add_quality(rows, things, forgive=True)
        self._add_tracks(valid, things)

    def _add_tubes(self, rows: list[tuple[Key, Key, int]], things: frozenset[int]) -> None:
        """Add the pixels of tubes, for AQ.

        Predicted pixels on a crowd do not count. Those on void and stuff do.
        """
        for g, p, n in rows:
            crowd = g[0] in things and g[1] == 0
            if g[0] in things and not crowd:
                self.gt_pixels[g] += n
            if p[0] in things and not crowd:
                self.pred_pixels[p] += n
                if g[0] in things:
                    self.common[g, p] += n

    def _add_quality(
        self, rows: list[tuple[Key, Key, int]], things: frozenset[int], forgive: bool
    ) -> None:
        """Add the PQ of this frame.

        With `forgive`, a false positive that lies mostly on void or on a crowd of its class does
        not count.
        """
        gt, pred, void, crowd = (defaultdict[Key, int](int) for _ in range(4))
        for g, p, n in rows:
            is_crowd = g[0] in things and g[1] == 0
            if g[0] != VOID and not is_crowd:
                gt[g] += n
            if p[0] != VOID:
                pred[p] += n
                void[p] += n * (g[0] == VOID)
                crowd[p] += n * (is_crowd and g[0] == p[0])
        matched_gt: set[Key] = set()
        matched_pred: set[Key] = set()
        for g, p, n in rows:
            if g in gt and g[0] == p[0] and p in pred:
                union = gt[g] + pred[p] - n - void[p]
                if 2 * n > union:
                    quality = self.quality[g[0]]
                    quality.tp += 1
                    quality.iou += n / union
                    matched_gt.add(g)
                    matched_pred.add(p)
        for g in gt:
            self.quality[g[0]].fn += g not in matched_gt
        for p, size in pred.items():
            excused = forgive and 2 * (void[p] + crowd[p]) > size
            self.quality[p[0]].fp += p not in matched_pred and not excused

    def _add_tracks(self, rows: list[tuple[Key, Key, int]], things: frozenset[int]) -> None:
        """TQ: which prediction, of any class, covers each track with IoU above one half."""
        gt = defaultdict[Key, int](int)
        pred = defaultdict[Key, int](int)
        for g, p, n in rows:
            gt[g] += n * (g[0] in things)
            pred[p] += n * (p[0] in things and p[1] > 0)
        match: dict[Key, Key] = {}
        for g, p, n in rows:
            if gt[g] and pred[p] and 2 * n > gt[g] + pred[p] - n:
                match[g] = p
        for p, size in pred.items():
            self.pred_frames[p] += size > 0
        for g, size in gt.items():
            if size:
                self._see(g, match.get(g))

    def _see(self, g: Key, match: Key | None) -> None:
        track = self.tracks.get(g)
        if track is None:
            track = self.tracks[g] = TrackCounts(1, match, match)
        else:
            track.frames += 1
            track.changes += match is None or track.last != match
            track.last = match
        if match is not None:
            track.hits[match] += 1

    def merge(self, later: SequenceSums) -> None:
        """Take in the sums of frames of the same sequence that come after these."""
        self.confusion += later.confusion
        for c, q in later.quality.items():
            mine = self.quality[c]
            mine.iou = mine.iou + q.iou
            mine.tp = mine.tp + q.tp
            mine.fp = mine.fp + q.fp
            mine.fn = mine.fn + q.fn
        for name in ("gt_pixels", "pred_pixels", "common", "pred_frames"):
            target = getattr(self, name)
            for key, value in getattr(later, name).items():
                target[key] += value
        for g, other in later.tracks.items():
            track = self.tracks.get(g)
            if track is None:
                self.tracks[g] = TrackCounts(other.frames, other.first, other.last, other.changes)
                self.tracks[g].hits.update(other.hits)
                continue
            track.frames += other.frames
            track.changes += other.changes + (other.first is None or track.last != other.first)
            track.last = other.last
            for p, n in other.hits.items():
                track.hits[p] += n
