"""Renders the frame that a step returns, at the size of the camera's image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError, suggest
from mapt.runtime.association.track_state import TrackState
from mapt.runtime.association.tracks import TrackTable
from mapt.runtime.frame import Decision, Labels, PanopticFrame, Track
from mapt.runtime.images.device_labels import LabelEnlarger
from mapt.runtime.images.network_input import InputMaker
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


class LabelRenderer:
    """Brings the label maps of one camera to its images' size, on the host or a GPU.

    Args:
        inputs: makes the camera's images the network's input.
    """

    def __init__(self, inputs: InputMaker) -> None:
        self._inputs = inputs
        self._enlarger: LabelEnlarger | None = None

    def prepare(self, where: str) -> None:
        """Check where labels are wanted, and have what brings them there.

        Raises:
            InputError: an unknown place, or a GPU that cannot be used.
        """
        if where not in get_args(Labels):
            raise InputError(f"labels {where!r} is unknown; {suggest(where, get_args(Labels))}")
        if where == "device" and self._enlarger is None:
            self._enlarger = LabelEnlarger(self._inputs.on_device())

    def render(self, maps: Pixels, letterbox: Letterbox, where: Labels) -> tuple[Any, Any]:
        """The label maps at the image's size (h,w): train ids and track ids.

        Args:
            maps: from `paint_labels`.
            letterbox: where the image lies in them.
            where: as it was prepared.

        Raises:
            RuntimeError: CUDA fails.
        """
        if where == "device" and self._enlarger is not None:
            return self._enlarger.enlarge(maps, letterbox)
        return enlarge_labels(maps, letterbox, self._inputs.workspace)


def enlarge_labels(
    maps: Pixels, letterbox: Letterbox, workspace: Workspace | None = None
) -> Pixels:
    """Bring label maps to the image's size, as new arrays (h,w) sampled by nearest neighbour.

    Args:
        maps: from `paint_labels`.
        letterbox: where the image lies in them.
        workspace: memory that is used again; None: new.
    """
    return (
        to_image(maps[0], letterbox, workspace).astype(np.uint8, copy=False),
        to_image(maps[1], letterbox, workspace).astype(np.int32, copy=False),
    )


def with_alarms(frame: PanopticFrame, alarms: tuple[str, ...]) -> PanopticFrame:
    """The same frame with these alarms; labels stay where they are, on the host or a GPU."""
    changed = object.__new__(PanopticFrame)
    changed.__dict__.update(frame.__dict__, alarms=alarms)
    return changed


def paint_labels(
    labels: NDArray[np.uint8],
    fused: Fused,
    ids: list[int],
    workspace: Workspace | None = None,
) -> Pixels:
    """Render the instances over the stuff behind them, at the network's resolution (H,W).

    Args:
        labels: (H,W) uint8, the best stuff class of every pixel of the network's input.
        fused: the instances that cover some of them.
        ids: track id of each.
        workspace: memory for the results, which is used again; None: new.
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
    return semantic, instance


def shown_classes(semantic: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.uint8]:
    """The classes that a frame of the image's size shows, in no such size.

    Args:
        semantic: train ids (H,W) at the network's resolution.
        letterbox: where the image lies in them.
    """
    inner = semantic[: letterbox.inner_height, : letterbox.inner_width]
    larger = letterbox.height >= inner.shape[0] and letterbox.width >= inner.shape[1]
    return inner if larger else to_image(semantic, letterbox).astype(np.uint8, copy=False)


def label_frame(
    pixels: tuple[Any, Any],
    found: Identified,
    letterbox: Letterbox,
    stamp_ns: int,
    overflow: int,
    degraded: tuple[Head, ...],
) -> PanopticFrame:
    """Build the frame that a step returns, without its times and alarms.

    Args:
        pixels: from `enlarge_labels`, or the same in a GPU's memory.
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
    x1, x2 = (min(float(v) * sx, float(letterbox.width)) for v in track.box[::2])
    y1, y2 = (min(float(v) * sy, float(letterbox.height)) for v in track.box[1::2])
    name = classes[track.label] if track.label < len(classes) else ""
    box = (x1, y1, x2, y2)
    lost = track.frames_since_seen
    return Track(track.id, track.label, track.score, box, track.age, lost, name)
