"""The two-stage association (paper III-D): propagated masks first, embeddings for the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mapt.contract import Thresholds
from mapt.runtime.association.affinity import cosine, soft_iou
from mapt.runtime.association.assignment import Match, assign
from mapt.runtime.association.spatial_gate import reach_used
from mapt.runtime.association.track_state import Float, TrackState, rows_of
from mapt.runtime.frame import Decision, Stage
from mapt.runtime.perception.fusion import Fused

Association = Literal["full", "motion", "appearance", "iou"]


@dataclass(frozen=True)
class Sighting:
    """What an association reads of a frame with n instances.

    Attributes:
        fused: the instances.
        propagated: (L,1,H/8,W/8), the live tracks' masks carried into this frame; empty where
            that is not possible.
        embeddings: (n,E) unit embeddings of the instances; zeros where none was computed.
        stamp_ns: the frame's time.
    """

    fused: Fused
    propagated: Float
    embeddings: Float
    stamp_ns: int


@dataclass(frozen=True)
class Continued:
    """Which tracks the n instances of a frame continue.

    Attributes:
        ids: the id of the track that each continues, 0 for none.
        decisions: why.
        lacking: (n,) float64, what the nearest refused pair of each lacked of its threshold;
            infinity where none was.
        gate: (n,) float64, the least that a track took of the gate which looks alike and is too
            far; infinity likewise.
    """

    ids: list[int]
    lacking: NDArray[np.float64]
    gate: NDArray[np.float64]
    decisions: list[Decision] = field(default_factory=list)


def associate(
    tracks: Sequence[TrackState],
    seen: Sighting,
    association: Association,
    thresholds: Thresholds,
) -> Continued:
    """Find the track that each instance of a frame continues.

    Args:
        tracks: those that there are, live and lost, by rising id.
        seen: the frame.
        association: which cues decide.
        thresholds: of both stages.
    """
    count = len(seen.fused.detections)
    found = Continued([0] * count, np.full(count, np.inf), np.full(count, np.inf))
    if association != "appearance":
        _match_masks(tracks, seen, thresholds.propagation_iou, found)
    if association in ("full", "appearance"):
        _match_looks(tracks, seen, thresholds, found)
    return found


def _match_masks(
    tracks: Sequence[TrackState], seen: Sighting, limit: float, found: Continued
) -> None:
    """Run stage 1: match the live tracks' propagated masks with the visible ones."""
    active = [track for track in tracks if track.frames_since_seen == 0]
    if not (active and len(seen.propagated)):
        return
    fused = seen.fused
    scores = soft_iou(seen.propagated[:, 0], fused.masks8[:, 0], fused.windows())
    allowed = _same_class(active, fused.detections.classes)
    for match in assign(scores, allowed, limit):
        track = found.ids[match.column] = active[match.row].id
        found.decisions.append(_continued("propagation", track, match, match.column, limit))
    found.lacking[:] = _lacking(scores, allowed, limit)


def _match_looks(
    tracks: Sequence[TrackState], seen: Sighting, thresholds: Thresholds, found: Continued
) -> None:
    """Run stage 2: match the remaining instances and tracks by their embeddings.

    Only pairs that are no farther apart than the gate allows can match.
    """
    taken = set(found.ids)
    limit = thresholds.similarity
    rest = [i for i in np.flatnonzero(seen.embeddings.any(1)).tolist() if not found.ids[i]]
    free = [
        track
        for track in tracks
        if track.id not in taken
        and track.gone(seen.stamp_ns) <= thresholds.max_lost
        and track.embedding.any()
    ]
    if not (rest and free):
        return
    scores = cosine(np.stack([track.embedding for track in free]), seen.embeddings[rest])
    expected = _expected(free, seen.stamp_ns, thresholds.foresight)
    used = reach_used(expected, seen.fused.boxes[rest], thresholds)
    same = _same_class(free, seen.fused.detections.classes[rest])
    near = same & (used <= 1)
    for match in assign(scores, near, limit):
        detection = rest[match.column]
        share = float(used[match.row, match.column])
        track = found.ids[detection] = free[match.row].id
        found.decisions.append(_continued("appearance", track, match, detection, limit, share))
    found.gate[rest] = np.where(same & ~near & (scores >= limit), used, np.inf).min(0)
    lacking = np.minimum(_lacking(scores, near, limit), found.gate[rest] - 1)
    found.lacking[rest] = np.minimum(found.lacking[rest], lacking)


def _expected(tracks: list[TrackState], stamp_ns: int, foresight: float) -> Float:
    """Predict the boxes (n,4) where tracks should be now.

    They are the last boxes, moved on with the tracks' velocities for at most `foresight` seconds.
    """
    seconds = np.array([min(track.gone(stamp_ns), foresight) for track in tracks], np.float32)
    moved = rows_of([track.velocity for track in tracks]) * seconds[:, None]
    return rows_of([track.box for track in tracks]) + np.concatenate((moved, moved), 1)


def _continued(
    stage: Stage, track: int, match: Match, detection: int, limit: float, gate: float | None = None
) -> Decision:
    runner_up = match.runner_up if math.isfinite(match.runner_up) else None
    margin = abs(match.score - max(limit, runner_up if runner_up is not None else limit))
    margin = margin if gate is None else min(margin, 1 - gate)
    return Decision(stage, track, detection, match.score, runner_up, limit, margin, gate)


def _lacking(
    scores: NDArray[np.float64], allowed: NDArray[np.bool_], limit: float
) -> NDArray[np.float64]:
    """Return how far the best refused pair of every column (m,) is below the threshold.

    It is infinity if no pair was refused.
    """
    lacking: NDArray[np.float64] = np.where(allowed & (scores < limit), limit - scores, np.inf).min(
        0
    )
    return lacking


def _same_class(tracks: list[TrackState], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = np.array([track.label for track in tracks])[:, None] == labels[None]
    return same
