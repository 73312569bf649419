"""Draws a labelled frame: classes as a tint, objects in their track's colour, with names.

`draw_frame` draws one frame by itself. `FrameDrawing` draws a sequence, and adds what one frame
cannot show: the way that objects came, and a legend that does not change from frame to frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.drawing.colours import class_colours
from mapt.drawing.legend import put_legend, seen_classes
from mapt.drawing.object_labels import put_object_labels
from mapt.drawing.objects import Box, DrawnTrack, put_objects
from mapt.drawing.text import Image, put_caption, text_size
from mapt.drawing.trails import Trails

TINT = 0.26  # of a class's colour in the picture


class DrawnFrame(Protocol):
    """What of a frame is drawn; `mapt.runtime.PanopticFrame` describes it."""

    @property
    def semantic(self) -> NDArray[np.uint8]:
        """(H,W) uint8 train ids."""

    @property
    def instance(self) -> NDArray[np.int32]:
        """(H,W) int32 track ids."""

    @property
    def tracks(self) -> Sequence[DrawnTrack]:
        """Visible and lost ones."""

    @property
    def classes(self) -> Sequence[str]:
        """Names by train id."""

    @property
    def stamp_ns(self) -> int:
        """Its time."""


def draw_frame(
    image: Image,
    frame: DrawnFrame,
    caption: str = "",
    *,
    labels: bool = True,
    legend: bool = True,
) -> Image:
    """Draw a frame by itself.

    Args:
        image: (H,W,3) uint8 RGB.
        frame: its labels.
        caption: a line in the upper left corner.
        labels: write class, id and score on the objects that are large enough.
        legend: name the classes of the tint at the lower edge.

    Returns:
        (H,W,3) uint8 RGB, a new array.
    """
    out = _tinted(image, frame)
    visible = [t for t in frame.tracks if not t.lost]
    parts = put_objects(out, image, frame.instance, visible)
    _annotate(out, visible, parts if labels else None, caption)
    if legend:
        put_legend(out, seen_classes(frame.semantic, frame.instance), frame.classes)
    return out


class FrameDrawing:
    """Draws the frames of a sequence, in their order."""

    def __init__(self) -> None:
        self._trails = Trails()
        self._seen = set[int]()

    def draw(self, image: Image, frame: DrawnFrame, caption: str = "") -> Image:
        """Draw the next frame, with trails and the legend of all classes so far.

        Args:
            image: (H,W,3) uint8 RGB.
            frame: its labels.
            caption: a line in the upper left corner.

        Returns:
            (H,W,3) uint8 RGB, a new array.
        """
        out = _tinted(image, frame)
        visible = [t for t in frame.tracks if not t.lost]
        self._trails.add(frame.stamp_ns, visible, image.shape[:2])
        parts = put_objects(out, image, frame.instance, visible)
        self._trails.put(out)
        _annotate(out, visible, parts, caption)
        self._seen |= seen_classes(frame.semantic, frame.instance)
        put_legend(out, self._seen, frame.classes)
        return out


def _annotate(
    out: Image, visible: Sequence[DrawnTrack], parts: Mapping[int, Box] | None, caption: str
) -> None:
    """Write the labels of objects, unless there are no `parts`, and the caption."""
    if parts is not None:
        put_object_labels(out, visible, parts)
    if caption:
        size = text_size(*out.shape[:2])
        put_caption(out, caption, (size // 2, size // 2), size)


def _tinted(image: Image, frame: DrawnFrame) -> Image:
    """The image with every pixel tinted in its class's colour; unlabelled ones stay."""
    palette = np.zeros((256, 3), np.uint8)
    colours = class_colours(frame.classes)
    palette[: len(colours)] = np.array(colours, np.uint8).reshape(-1, 3)
    planes = cv2.merge([frame.semantic] * 3)
    tint = cv2.LUT(planes, palette[None])
    out = np.asarray(cv2.addWeighted(image, 1 - TINT, tint, TINT, 0), np.uint8)
    unlabelled = frame.semantic >= len(colours)
    return np.asarray(cv2.copyTo(image, unlabelled.view(np.uint8), out), np.uint8)
