"""The table of tracks and the two-stage association (paper III-D)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mapt.contract import Thresholds
from mapt.errors import InputError
from mapt.runtime.affinity import cosine, soft_iou
from mapt.runtime.association import Match, assign
from mapt.runtime.frame import Decision, Stage
from mapt.runtime.fusion import Fused

Association = Literal["full", "motion", "appearance", "iou"]
Float = NDArray[np.float32]


@dataclass
class TrackState:
    """What is remembered of a track.

    Attributes:
        id, label, score: as in `Track`.
        box: (4,) float32, network pixels.
        mask8: (1,H/8,W/8) float32, its fused mask when last seen.
        embedding: (E,) float32, unit length, averaged over sightings.
        age: frames since birth.
        lost: frames since last seen.
        seen_ns: time of the last sighting.
    """

    id: int
    label: int
    score: float
    box: Float
    mask8: Float
    embedding: Float
    age: int
    lost: int
    seen_ns: int


class TrackTable:
    """All tracks of a tracker, live and lost."""

    def __init__(self, limits: Thresholds, association: Association) -> None:
        if association not in get_args(Association):
            raise InputError(
                f"association {association!r} is unknown; choose one of {', '.join(get_args(Association))}"
            )
        self.limits, self.association = limits, association
        self.tracks: list[TrackState] = []
        self.next_id = 1

    def live(self) -> list[TrackState]:
        """Tracks seen in the previous frame."""
        return [track for track in self.tracks if track.lost == 0]

    def update(
        self, fused: Fused, propagated: Float, embeddings: Float, stamp_ns: int
    ) -> tuple[list[int], list[Decision]]:
        """Give every instance of a frame its identity.

        Args:
            fused: the frame's instances.
            propagated: (L,1,H/8,W/8), the live tracks' masks carried into this frame; empty where that is not possible.
            embeddings: (n,E) unit embeddings of the instances.
            stamp_ns: the frame's time.

        Returns:
            The track id of each instance, and the decisions.
        """
        count = len(fused.detections)
        ids: list[int] = [0] * count
        decisions: list[Decision] = []
        labels = fused.detections.classes
        live = self.live() if len(propagated) else []
        if self.association != "appearance" and live:
            scores = soft_iou(propagated[:, 0], fused.masks8[:, 0])
            limit = self.limits.propagation_iou
            for match in assign(scores, _same_class(live, labels), limit):
                self._continue(live[match.row], match, match.column, "propagation", limit, ids, decisions)
        if self.association in ("full", "appearance"):
            rest = [i for i in range(count) if not ids[i]]
            taken = set(ids)
            free = [t for t in self.tracks if t.id not in taken and _gone(t, stamp_ns) <= self.limits.max_lost]
            if rest and free:
                scores = cosine(np.stack([track.embedding for track in free]), embeddings[rest])
                limit = self.limits.similarity
                for match in assign(scores, _same_class(free, labels[rest]), limit):
                    self._continue(free[match.row], match, rest[match.column], "appearance", limit, ids, decisions)
        self._refresh(fused, embeddings, ids, stamp_ns)
        for i in range(count):
            if not ids[i]:
                ids[i] = self._begin(fused, embeddings, i, stamp_ns, decisions)
        self._age(set(ids), stamp_ns, decisions)
        return ids, decisions

    def _continue(
        self, track: TrackState, match: Match, detection: int, stage: Stage, limit: float, ids: list[int],
        decisions: list[Decision],
    ) -> None:  # fmt: skip
        ids[detection] = track.id
        runner_up = match.runner_up if np.isfinite(match.runner_up) else None
        margin = match.score - max(limit, runner_up if runner_up is not None else limit)
        decisions.append(Decision(stage, track.id, detection, match.score, runner_up, limit, abs(margin)))

    def _refresh(self, fused: Fused, embeddings: Float, ids: list[int], stamp_ns: int) -> None:
        """Write what this frame saw into the continued tracks."""
        by_id = {track.id: track for track in self.tracks}
        keep = np.float32(self.limits.embedding_momentum)
        for i, number in enumerate(ids):
            if number:
                track = by_id[number]
                mixed = keep * track.embedding + (1 - keep) * embeddings[i]
                track.embedding = mixed / max(float(np.linalg.norm(mixed)), 1e-12)
                track.mask8, track.box, track.score = fused.masks8[i], fused.boxes[i], float(fused.detections.scores[i])
                track.lost, track.seen_ns = 0, stamp_ns

    def _begin(self, fused: Fused, embeddings: Float, i: int, stamp_ns: int, decisions: list[Decision]) -> int:
        number, score = self.next_id, float(fused.detections.scores[i])
        self.next_id += 1
        label, embedding = int(fused.detections.classes[i]), embeddings[i].copy()
        track = TrackState(number, label, score, fused.boxes[i], fused.masks8[i], embedding, -1, 0, stamp_ns)
        self.tracks.append(track)
        limit = self.limits.score
        decisions.append(Decision("birth", number, i, score, None, limit, abs(score - limit)))
        return number

    def _age(self, seen: set[int], stamp_ns: int, decisions: list[Decision]) -> None:
        """Count frames; forget what has been lost for too long."""
        kept = []
        for track in self.tracks:
            track.age += 1
            track.lost = 0 if track.id in seen else track.lost + 1
            gone = _gone(track, stamp_ns)
            if gone > self.limits.max_lost:
                decisions.append(_ended("removed", track.id, gone, self.limits.max_lost))
                continue
            if track.lost == 1:
                decisions.append(_ended("lost", track.id, gone, self.limits.max_lost))
            kept.append(track)
        self.tracks = kept


def _gone(track: TrackState, stamp_ns: int) -> float:
    """Seconds since its last sighting."""
    return (stamp_ns - track.seen_ns) / 1e9


def _ended(stage: Stage, number: int, seconds: float, limit: float) -> Decision:
    return Decision(stage, number, -1, seconds, None, limit, abs(seconds - limit))


def _same_class(tracks: list[TrackState], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = np.array([track.label for track in tracks])[:, None] == labels[None]
    return same
