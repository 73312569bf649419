"""Draws objects: a translucent mask and a thin contour, in the track's colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.drawing.colours import track_colour
from mapt.drawing.text import Image, text_size

Box = tuple[float, float, float, float]  # xyxy pixels
FILL = 0.45  # of the track's colour in its mask
MARGIN = 2  # pixels around a box, which the nearest sampling of a mask may overstep
STROKE = 14  # letters' size over a line's thickness
SOFT = 0.08  # of the letters' size: how far the steps of an enlarged mask are smoothed


class DrawnTrack(Protocol):
    """What of a track is drawn; `mapt.runtime.Track` describes it."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def label(self) -> int:
        """Train id."""

    @property
    def label_name(self) -> str:
        """The class's name."""

    @property
    def score(self) -> float:
        """In [0,1]."""

    @property
    def box(self) -> Box:
        """The box, xyxy pixels."""

    @property
    def lost(self) -> int:
        """Frames since it was last seen."""


def stroke(height: int, width: int) -> int:
    """The thickness of lines in pixels that suits a picture."""
    return max(1, round(text_size(height, width) / STROKE))


def put_objects(
    out: Image, image: Image, instance: NDArray[np.int32], tracks: Sequence[DrawnTrack]
) -> dict[int, Box]:
    """Draw the masks of tracks.

    Args:
        out: (H,W,3) uint8 RGB, changed in place.
        image: the same size, what shows through the masks.
        instance: (H,W) int32 track ids.
        tracks: those to draw; a mask is looked for in its box.

    Returns:
        By track id, the box of the largest connected part of its mask.
    """
    parts = dict[int, Box]()
    thickness = stroke(*out.shape[:2])
    for track in tracks:
        window = _window(track.box, instance.shape)
        mask = np.equal(instance[window], track.id).view(np.uint8) * np.uint8(255)
        if not mask.any():
            continue
        colour = track_colour(track.id)
        mask = _smoothed(mask, text_size(*out.shape[:2]))
        inside = mask > 127
        part = image[window]
        filled = cv2.addWeighted(part, 1 - FILL, np.full_like(part, colour), FILL, 0)
        np.copyto(out[window], filled, where=inside[..., None])
        contours, _ = cv2.findContours(
            inside.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        offset = (window[1].start, window[0].start)
        cv2.drawContours(out, contours, -1, colour, thickness, cv2.LINE_AA, offset=offset)
        if contours:
            x, y, width, height = cv2.boundingRect(max(contours, key=cv2.contourArea))
            left = float(offset[0] + x)
            top = float(offset[1] + y)
            parts[track.id] = (left, top, left + width, top + height)
    return parts


def _window(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    x1, y1, x2, y2 = box
    rows = slice(max(int(y1) - MARGIN, 0), min(int(np.ceil(y2)) + MARGIN, shape[0]))
    columns = slice(max(int(x1) - MARGIN, 0), min(int(np.ceil(x2)) + MARGIN, shape[1]))
    return rows, columns


def _smoothed(mask: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A mask without the steps that it gets where a small network sees a large picture."""
    sigma = SOFT * size
    if sigma < 1:
        return mask
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.uint8)
