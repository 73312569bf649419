"""The table of tracks, from one frame to the next (paper III-D)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from mapt.contract import Thresholds
from mapt.errors import InputError, suggest
from mapt.runtime.association.associator import Association, Continued, Sighting, associate
from mapt.runtime.association.track_state import Float, TrackState, rows_of
from mapt.runtime.errors import StepError
from mapt.runtime.frame import Decision, Stage
from mapt.runtime.perception.fusion import Fused

MAX_ID = 2**31 - 1


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
            The table after this frame, the track id of each instance, and the decisions. The id
            is 0 where an instance continues no track and is too weak to begin one.

        Raises:
            StepError: all ids of 31 bits are used up.
        """
        sighting = Sighting(fused, propagated, embeddings, stamp_ns)
        found = associate(self.tracks, sighting, self.association, self.thresholds)
        ids = found.ids
        decisions = found.decisions
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
            if not ids[i] and scores[i] >= self.thresholds.birth:
                tracks.append(self._born(number, fused, embeddings, i, stamp_ns))
                decisions.append(self._birth(number, i, scores[i], found))
                ids[i] = number
                number += 1
        tracks = self._within(self._kept(tracks, stamp_ns, decisions), stamp_ns, decisions)
        return replace(self, tracks=tuple(tracks), next_id=number), ids, decisions

    def _velocities(self, seen: dict[int, int], boxes: Float, stamp_ns: int) -> dict[int, Float]:
        """Compute the new velocity of every continued track.

        It mixes the old velocity with the one since the track's last sighting.
        """
        tracks = [track for track in self.tracks if track.id in seen]
        if not tracks:
            return {}
        keep = np.float32(self.thresholds.velocity_momentum)
        corners = boxes[[seen[track.id] for track in tracks]] - rows_of(
            [track.box for track in tracks]
        )
        seconds = np.array([[track.gone(stamp_ns)] for track in tracks], np.float32)
        moved = (corners[:, :2] + corners[:, 2:]) / (2 * seconds)
        mixed = rows_of([track.velocity for track in tracks]) * keep + moved * (1 - keep)
        return dict(zip([track.id for track in tracks], mixed, strict=True))

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

    def _birth(self, number: int, detection: int, score: float, found: Continued) -> Decision:
        limit = max(self.thresholds.score, self.thresholds.birth)
        gate = float(found.gate[detection])
        margin = min(abs(score - limit), float(found.lacking[detection]))
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
            gone = track.gone(stamp_ns)
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
            _ended("overflow", t.id, t.gone(stamp_ns), self.thresholds.max_lost) for t in lost
        ]
        gone = {track.id for track in lost}
        return [track for track in tracks if track.id not in gone]


def _missed(track: TrackState) -> TrackState:
    """Return the next state of a track that no instance continues."""
    mask = track.mask8 if not track.mask8.size else np.zeros((1, 0, 0), np.float32)
    return replace(
        track, mask8=mask, age=track.age + 1, frames_since_seen=track.frames_since_seen + 1
    )


def _ended(stage: Stage, number: int, seconds: float, limit: float) -> Decision:
    return Decision(stage, number, -1, seconds, None, limit, abs(seconds - limit))
