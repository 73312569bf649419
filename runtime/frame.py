"""The result of a step: a labelled frame with its tracks and decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Stage = Literal["propagation", "appearance", "birth", "lost", "removed", "overflow"]
# A track in 36 bytes without padding, for readers in other languages; `examples/cpp_host` has the
# same as a struct.
TRACK_DTYPE = np.dtype(
    [
        ("id", "i4"),
        ("label", "i4"),
        *((name, "f4") for name in ("score", "x1", "y1", "x2", "y2")),
        ("age", "i4"),
        ("lost", "i4"),
    ]
)


@dataclass(frozen=True)
class Track:
    """A track as of this frame.

    Attributes:
        id: never reused within a tracker's life, from 1.
        label: train id.
        score: of its last detection, in [0,1].
        box: xyxy, pixels of the input image, around the visible mask; of the last sighting where
            lost.
        age: frames since its birth.
        lost: frames since it was last seen, 0 where it is visible now.
    """

    id: int
    label: int
    score: float
    box: tuple[float, float, float, float]
    age: int
    lost: int


@dataclass(frozen=True)
class Decision:
    """Why an identity is what it is.

    Attributes:
        stage: propagation and appearance continue a track, birth starts one, lost and removed end a
            sighting or track, overflow ends a lost track before its time because the table is full.
        track: its id.
        detection: index among the frame's instances, by falling score; -1 where there is none.
        score: mask IoU, cosine, or for a birth the detection's score.
        runner_up: the best competing score; None where there was no competitor.
        threshold: the limit that applied.
        margin: how much the scores would have to change for another decision; of a birth also what
            the nearest pair that was refused lacks of its threshold.
        gate: share of the distance or of the change of size that is allowed
            (`mapt.runtime.association.spatial_gate`). Of an appearance match what it took, at most
            1. Of a birth what the nearest track would have taken that looks alike and was refused
                for it, above 1. None where the gate decided nothing.
    """

    stage: Stage
    track: int
    detection: int
    score: float
    runner_up: float | None
    threshold: float
    margin: float
    gate: float | None = None


@dataclass(frozen=True)
class PanopticFrame:
    """A labelled frame.

    Attributes:
        semantic: (H,W) uint8 train ids, at the input image's size.
        instance: (H,W) int32 track ids, 0 = none.
        tracks: visible ones first, then lost ones, each by id.
        decisions: one for every change or continuation of an identity.
        timings_ms: by stage; `frame` is all of the step.
        stamp_ns: the frame's time.
        overflow: how many objects above the score were left out because there were too many, those
            of the lowest score first; one more where every detection slot of the network is filled,
            as there may be others.
        degraded: heads left out for the deadline, of "appearance" and "motion".
        alarms: what the monitor finds wrong: "blind" (an image of one colour; identities stay as
            they were), "frozen" (the pixels of the frame before), "saturated" (objects were left
            out), "empty" (one class everywhere), "churn" (most of what was visible lately was new).
    """

    semantic: NDArray[np.uint8]
    instance: NDArray[np.int32]
    tracks: tuple[Track, ...]
    decisions: tuple[Decision, ...]
    timings_ms: dict[str, float]
    stamp_ns: int
    overflow: int
    degraded: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()

    def track_array(self) -> NDArray[np.void]:
        """The tracks (n,) as one flat block of `TRACK_DTYPE`, in their order."""
        return np.array(
            [(t.id, t.label, t.score, *t.box, t.age, t.lost) for t in self.tracks], TRACK_DTYPE
        )
