"""What is remembered of a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


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

    def gone(self, stamp_ns: int) -> float:
        """Return the seconds since it was last seen."""
        return (stamp_ns - self.last_seen_ns) / 1e9


def rows_of(vectors: list[Float]) -> Float:
    """Short vectors (n of (k,)) as the rows of one array (n,k); faster than `np.stack`."""
    return np.concatenate(vectors).reshape(len(vectors), -1)
