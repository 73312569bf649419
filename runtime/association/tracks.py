"""The table of tracks and the two-stage association (paper III-D)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mapt.contract import Thresholds
from mapt.errors import InputError, suggest
from mapt.runtime.association.affinity import cosine, soft_iou
from mapt.runtime.association.assignment import Match, assign
from mapt.runtime.association.spatial_gate import reach_used
from mapt.runtime.errors import StepError
from mapt.runtime.frame import Decision, Stage
from mapt.runtime.perception.fusion import Fused

Association = Literal["full", "motion", "appearance", "iou"]
Float = NDArray[np.float32]
MAX_ID = 2**31 - 1


@dataclass(frozen=True)
class TrackState:
    """The remembered state of a track.

    Attributes:
        id, label, score: as in `Track`.
        box: (4,) float32, network pixels.
        mask8: (1,H/8,W/8) float32, its fused mask; of a lost track (1,0,0), as it is never used
            again.
        embedding: (E,) float32, unit length, averaged over sightings; zeros where no look was ever
            computed.
        age: frames since birth.
        frames_since_seen: 0 where it is active, visible in the last frame.
        last_seen_ns: time of the last sighting.
        velocity: (2,) float32, of the box's centre, network pixels a second, averaged over
            sightings; zeros at birth.
    """

    id: int
    label: int
    score: float
    box: Float
    mask8: Float
    embedding: Float
    age: int
    frames_since_seen: int
    last_seen_ns: int
    velocity: Float


@dataclass(frozen=True)
class _Refused:
    """The reasons why instances did not continue a track.

    Attributes:
        lacking: (n,) float64, what the nearest refused pair of each lacked of its threshold;
            infinity where none was.
        gate: (n,) float64, the least that a track took of the gate which looks alike and is too
            far; infinity likewise.
    """

    lacking: NDArray[np.float64]
    gate: NDArray[np.float64]


@dataclass(frozen=True)
class TrackTable:
    """All tracks of a tracker, live and lost. Never changed: an update gives the next table.

    Attributes:
        thresholds: thresholds.
        association: which cues decide.
        capacity: tracks kept at most; beyond it those lost for longest go first.
        tracks: by rising id.
        next_id: of the next birth.
    """

    thresholds: Thresholds
    association: Association
    capacity: int = 1024
    tracks: tuple[TrackState, ...] = ()
    next_id: int = 1

    def __post_init__(self) -> None:
        if self.association not in get_args(Association):
            raise InputError(
                f"association {self.association!r} is unknown;"
                f" {suggest(str(self.association), get_args(Association))}"
            )

    def active(self) -> list[TrackState]:
        """Tracks seen in the previous frame."""
        return [track for track in self.tracks if track.frames_since_seen == 0]

    def update(
        self, fused: Fused, propagated: Float, embeddings: Float, stamp_ns: int
    ) -> tuple[TrackTable, list[int], list[Decision]]:
        """Give every instance of a frame its identity.

        Args:
            fused: the frame's instances.
            propagated: (L,1,H/8,W/8), the live tracks' masks carried into this frame; empty where
                that is not possible.
            embeddings: (n,E) unit embeddings of the instances; zeros where none was computed.
            stamp_ns: the frame's time.

        Returns:
            The table after this frame, the track id of each instance, and the decisions.

        Raises:
            StepError: all ids of 31 bits are used up.
        """
        decisions: list[Decision] = []
        ids, refused = self._associate(fused, propagated, embeddings, stamp_ns, decisions)
        seen = {number: i for i, number in enumerate(ids) if number}
        scores = fused.detections.scores.tolist()
        looks = self._looks(seen, embeddings)
        velocities = self._velocities(seen, fused.boxes, stamp_ns)
        tracks = []
        for track in self.tracks:
            i = seen.get(track.id)
            if i is None:
                tracks.append(_missed(track))
                continue
            look = looks.get(track.id, track.embedding)
            box = fused.boxes[i]
            mask8 = fused.masks8[i]
            age = track.age + 1
            moved = velocities[track.id]
            tracks.append(
                TrackState(
                    track.id, track.label, scores[i], box, mask8, look, age, 0, stamp_ns, moved
                )
            )
        number = self.next_id
        for i in range(len(ids)):
            if not ids[i]:
                tracks.append(self._born(number, fused, embeddings, i, stamp_ns))
                decisions.append(self._birth(number, i, float(fused.detections.scores[i]), refused))
                ids[i] = number
                number += 1
        tracks = self._within(self._kept(tracks, stamp_ns, decisions), stamp_ns, decisions)
        return replace(self, tracks=tuple(tracks), next_id=number), ids, decisions

    def _associate(
        self,
        fused: Fused,
        propagated: Float,
        embeddings: Float,
        stamp_ns: int,
        decisions: list[Decision],
    ) -> tuple[list[int], _Refused]:
        """Return the id of the track that each instance continues (III-D), or 0 for none.

        The second result holds what the others were refused for.
        """
        count = len(fused.detections)
        labels = fused.detections.classes
        ids: list[int] = [0] * count
        refused = _Refused(np.full(count, np.inf), np.full(count, np.inf))
        active = self.active() if len(propagated) else []
        if self.association != "appearance" and active:
            scores = soft_iou(propagated[:, 0], fused.masks8[:, 0], fused.windows())
            limit = self.thresholds.propagation_iou
            allowed = _same_class(active, labels)
            for match in assign(scores, allowed, limit):
                ids[match.column] = active[match.row].id
                decisions.append(
                    _continued("propagation", ids[match.column], match, match.column, limit)
                )
            refused.lacking[:] = _lacking(scores, allowed, limit)
        if self.association in ("full", "appearance"):
            self._associate_looks(fused, embeddings, stamp_ns, ids, refused, decisions)
        return ids, refused

    def _associate_looks(
        self,
        fused: Fused,
        embeddings: Float,
        stamp_ns: int,
        ids: list[int],
        refused: _Refused,
        decisions: list[Decision],
    ) -> None:
        """Run stage 2: match the remaining instances and tracks by their embeddings.

        Only pairs that are no farther apart than the gate allows can match.
        """
        taken = set(ids)
        limit = self.thresholds.similarity
        rest = [i for i in np.flatnonzero(embeddings.any(1)).tolist() if not ids[i]]
        free = [t for t in self.tracks if t.id not in taken and self._findable(t, stamp_ns)]
        if not (rest and free):
            return
        scores = cosine(np.stack([track.embedding for track in free]), embeddings[rest])
        used = reach_used(self._expected(free, stamp_ns), fused.boxes[rest], self.thresholds)
        same = _same_class(free, fused.detections.classes[rest])
        near = same & (used <= 1)
        for match in assign(scores, near, limit):
            detection = rest[match.column]
            share = float(used[match.row, match.column])
            ids[detection] = free[match.row].id
            decisions.append(
                _continued("appearance", ids[detection], match, detection, limit, share)
            )
        refused.gate[rest] = np.where(same & ~near & (scores >= limit), used, np.inf).min(0)
        lacking = np.minimum(_lacking(scores, near, limit), refused.gate[rest] - 1)
        refused.lacking[rest] = np.minimum(refused.lacking[rest], lacking)

    def _expected(self, tracks: list[TrackState], stamp_ns: int) -> Float:
        """Predict the boxes (n,4) where tracks should be now.

        They are the last boxes, moved on with the tracks' velocities for at most `foresight`
        seconds.
        """
        seconds = np.array(
            [min(_gone(track, stamp_ns), self.thresholds.foresight) for track in tracks], np.float32
        )
        moved = _rows([track.velocity for track in tracks]) * seconds[:, None]
        return _rows([track.box for track in tracks]) + np.concatenate((moved, moved), 1)

    def _velocities(self, seen: dict[int, int], boxes: Float, stamp_ns: int) -> dict[int, Float]:
        """Compute the new velocity of every continued track.

        It mixes the old velocity with the one since the track's last sighting.
        """
        tracks = [track for track in self.tracks if track.id in seen]
        if not tracks:
            return {}
        keep = np.float32(self.thresholds.velocity_momentum)
        corners = boxes[[seen[track.id] for track in tracks]] - _rows(
            [track.box for track in tracks]
        )
        seconds = np.array([[_gone(track, stamp_ns)] for track in tracks], np.float32)
        moved = (corners[:, :2] + corners[:, 2:]) / (2 * seconds)
        mixed = _rows([track.velocity for track in tracks]) * keep + moved * (1 - keep)
        return dict(zip([track.id for track in tracks], mixed, strict=True))

    def _findable(self, track: TrackState, stamp_ns: int) -> bool:
        return _gone(track, stamp_ns) <= self.thresholds.max_lost and bool(track.embedding.any())

    def _looks(self, seen: dict[int, int], embeddings: Float) -> dict[int, Float]:
        """Compute the new embedding of every continued track whose instance has one.

        It mixes the old embedding with the instance's.
        """
        known = np.logical_or.reduce(embeddings, 1)
        tracks = [track for track in self.tracks if track.id in seen and known[seen[track.id]]]
        if not tracks:
            return {}
        keep = np.float32(self.thresholds.embedding_momentum)
        mixed = np.stack([t.embedding for t in tracks]) * keep + embeddings[
            [seen[t.id] for t in tracks]
        ] * (1 - keep)
        mixed /= np.maximum(np.sqrt((mixed * mixed).sum(1, keepdims=True)), np.float32(1e-12))
        return {
            track.id: look.copy() for track, look in zip(tracks, mixed, strict=True)
        }  # none keeps all alive

    def _born(
        self, number: int, fused: Fused, embeddings: Float, i: int, stamp_ns: int
    ) -> TrackState:
        if number > MAX_ID:
            raise StepError(f"ids are used up after {MAX_ID}; start a new tracker")
        score = float(fused.detections.scores[i])
        label = int(fused.detections.classes[i])
        box = fused.boxes[i]
        mask8 = fused.masks8[i]
        look = embeddings[i].copy()
        return TrackState(
            number, label, score, box, mask8, look, 0, 0, stamp_ns, np.zeros(2, np.float32)
        )

    def _birth(self, number: int, detection: int, score: float, refused: _Refused) -> Decision:
        limit = self.thresholds.score
        gate = float(refused.gate[detection])
        margin = min(abs(score - limit), float(refused.lacking[detection]))
        return Decision(
            "birth",
            number,
            detection,
            score,
            None,
            limit,
            margin,
            gate if math.isfinite(gate) else None,
        )

    def _kept(
        self, tracks: list[TrackState], stamp_ns: int, decisions: list[Decision]
    ) -> list[TrackState]:
        """Remove tracks that have been lost for too long."""
        kept = []
        limit = self.thresholds.max_lost
        for track in tracks:
            gone = _gone(track, stamp_ns)
            if gone > limit:
                decisions.append(_ended("removed", track.id, gone, limit))
                continue
            if track.frames_since_seen == 1:
                decisions.append(_ended("lost", track.id, gone, limit))
            kept.append(track)
        return kept

    def _within(
        self, tracks: list[TrackState], stamp_ns: int, decisions: list[Decision]
    ) -> list[TrackState]:
        """Keep at most `capacity` tracks.

        The tracks lost for longest are removed first; among equals, the oldest.
        """
        surplus = len(tracks) - self.capacity
        if surplus <= 0:
            return tracks
        lost = sorted(
            (t for t in tracks if t.frames_since_seen), key=lambda t: (t.last_seen_ns, t.id)
        )[:surplus]
        decisions += [
            _ended("overflow", t.id, _gone(t, stamp_ns), self.thresholds.max_lost) for t in lost
        ]
        gone = {track.id for track in lost}
        return [track for track in tracks if track.id not in gone]


def _continued(
    stage: Stage, track: int, match: Match, detection: int, limit: float, gate: float | None = None
) -> Decision:
    runner_up = match.runner_up if math.isfinite(match.runner_up) else None
    margin = abs(match.score - max(limit, runner_up if runner_up is not None else limit))
    margin = margin if gate is None else min(margin, 1 - gate)
    return Decision(stage, track, detection, match.score, runner_up, limit, margin, gate)


def _rows(vectors: list[Float]) -> Float:
    """Short vectors (n of (k,)) as the rows of one array (n,k); faster than `np.stack`."""
    return np.concatenate(vectors).reshape(len(vectors), -1)


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


def _missed(track: TrackState) -> TrackState:
    """Return the next state of a track that no instance continues."""
    mask = track.mask8 if not track.mask8.size else np.zeros((1, 0, 0), np.float32)
    return replace(
        track, mask8=mask, age=track.age + 1, frames_since_seen=track.frames_since_seen + 1
    )


def _gone(track: TrackState, stamp_ns: int) -> float:
    """Return the seconds since a track was last seen."""
    return (stamp_ns - track.last_seen_ns) / 1e9


def _ended(stage: Stage, number: int, seconds: float, limit: float) -> Decision:
    return Decision(stage, number, -1, seconds, None, limit, abs(seconds - limit))


def _same_class(tracks: list[TrackState], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = np.array([track.label for track in tracks])[:, None] == labels[None]
    return same
