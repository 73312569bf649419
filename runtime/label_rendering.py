"""Renders the frame that a step returns, at the size of the camera's image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.runtime.association.tracks import TrackState, TrackTable
from mapt.runtime.frame import Decision, PanopticFrame, Track
from mapt.runtime.monitoring.deadline import Head
from mapt.runtime.perception.fusion import Fused
from mapt.runtime.perception.preprocess import Letterbox, to_image
from mapt.runtime.perception.workspace import Workspace

Pixels = tuple[NDArray[np.uint8], NDArray[np.int32]]  # train ids and track ids


@dataclass(frozen=True)
class Identified:
    """The identities in a frame.

    Attributes:
        decisions: why they are what they are.
        table: the tracks after this frame.
        classes: class names by train id.
    """

    decisions: list[Decision]
    table: TrackTable
    classes: tuple[str, ...]


def render_labels(
    labels: NDArray[np.uint8],
    fused: Fused,
    ids: list[int],
    letterbox: Letterbox,
    workspace: Workspace | None = None,
) -> Pixels:
    """Render the instances over the stuff behind them, in the image's size.

    The results are new arrays (h,w), sampled by nearest neighbour.

    Args:
        labels: (H,W) uint8, the best stuff class of every pixel of the network's input.
        fused: the instances that cover some of them.
        ids: track id of each.
        letterbox: where the image lies in the input.
        workspace: memory that is used again; None: new.
    """
    workspace = workspace or Workspace()
    semantic = workspace.take("semantic", labels.shape, np.uint8)
    instance = workspace.take("instance", labels.shape, np.int32)
    np.copyto(semantic, labels)
    instance.fill(0)
    classes = fused.detections.classes.tolist()
    boxes = fused.boxes.astype(np.intp).tolist()
    for number, (label, track, (x1, y1, x2, y2)) in enumerate(
        zip(classes, ids, boxes, strict=True), 1
    ):
        window = slice(y1, y2), slice(x1, x2)
        mask = np.equal(
            fused.index[window], number, out=workspace.take("inside", (y2 - y1, x2 - x1), np.bool_)
        )
        np.copyto(semantic[window], label, where=mask)
        np.copyto(instance[window], track, where=mask)
    return (
        to_image(semantic, letterbox, workspace).astype(np.uint8, copy=False),
        to_image(instance, letterbox, workspace).astype(np.int32, copy=False),
    )


def label_frame(
    pixels: Pixels,
    found: Identified,
    letterbox: Letterbox,
    stamp_ns: int,
    overflow: int,
    degraded: tuple[Head, ...],
) -> PanopticFrame:
    """Build the frame that a step returns, without its times and alarms.

    Args:
        pixels: from `render_labels`.
        found: the instances in them.
        letterbox: where the image lies in the input.
        stamp_ns: the frame's time.
        overflow: as in `PanopticFrame`.
        degraded: as in `PanopticFrame`.
    """
    tracks = sorted(found.table.tracks, key=lambda t: (t.frames_since_seen > 0, t.id))
    return PanopticFrame(
        semantic=pixels[0],
        instance=pixels[1],
        tracks=tuple(_public(t, letterbox, found.classes) for t in tracks),
        decisions=tuple(found.decisions),
        timings_ms={},
        stamp_ns=stamp_ns,
        overflow=overflow,
        degraded=degraded,
        classes=found.classes,
    )


def _public(track: TrackState, letterbox: Letterbox, classes: tuple[str, ...]) -> Track:
    sx, sy = letterbox.scale
    x1, x2 = (min(float(v) * sx, letterbox.width) for v in track.box[::2])
    y1, y2 = (min(float(v) * sy, letterbox.height) for v in track.box[1::2])
    name = classes[track.label] if track.label < len(classes) else ""
    box = (x1, y1, x2, y2)
    lost = track.frames_since_seen
    return Track(track.id, track.label, track.score, box, track.age, lost, name)
