"""From the network's pixels back to the camera's: the frame that a step returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.runtime.deadline import Head
from mapt.runtime.frame import Decision, PanopticFrame, Track
from mapt.runtime.fusion import Fused
from mapt.runtime.preprocess import Fit, to_image
from mapt.runtime.tracks import TrackState, TrackTable


@dataclass(frozen=True)
class Identified:
    """The instances of a frame with their identities.

    Attributes:
        fused: the instances.
        ids: track id of each.
        decisions: why.
        table: the tracks after this frame.
    """

    fused: Fused
    ids: list[int]
    decisions: list[Decision]
    table: TrackTable


def label_frame(
    labels: NDArray[np.uint8], found: Identified, place: Fit, stamp_ns: int, overflow: int, degraded: tuple[Head, ...]
) -> PanopticFrame:
    """Everything at the image's size, nearest neighbour.

    Args:
        labels: (H,W) uint8, the best stuff class of every pixel of the network's input.
        found: the instances that cover some of them.
        place: where the image lies in the input.
        stamp_ns: the frame's time.
        overflow: as in `PanopticFrame`.
        degraded: as in `PanopticFrame`.
    """
    fused = found.fused
    table = np.array([0, *found.ids], np.int32)
    classes = np.concatenate((np.zeros(1, np.uint8), fused.detections.classes.astype(np.uint8)))
    semantic = np.where(fused.index > 0, classes[fused.index], labels)
    tracks = sorted(found.table.tracks, key=lambda t: (t.lost > 0, t.id))
    return PanopticFrame(
        semantic=to_image(semantic, place).astype(np.uint8, copy=False),
        instance=to_image(table[fused.index], place).astype(np.int32, copy=False),
        tracks=tuple(_public(t, place) for t in tracks),
        decisions=tuple(found.decisions),
        timings_ms={},
        stamp_ns=stamp_ns,
        overflow=overflow,
        degraded=degraded,
    )


def _public(track: TrackState, place: Fit) -> Track:
    sx, sy = place.scale
    x1, x2 = (min(float(v) * sx, place.width) for v in track.box[::2])
    y1, y2 = (min(float(v) * sy, place.height) for v in track.box[1::2])
    return Track(track.id, track.label, track.score, (x1, y1, x2, y2), track.age, track.lost)
