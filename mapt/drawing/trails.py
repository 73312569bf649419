"""Draws the way that each object came, as a line that ends at its feet."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.drawing.colours import track_colour
from mapt.drawing.objects import DrawnTrack, stroke
from mapt.drawing.text import Image, text_size

SECONDS = 1.5  # that a trail looks back
TINY = 1.5  # of the letters' size: a smaller object has no trail
BREAK = 1.0  # of an object's width: a longer step is no way that it came
PARTS = 4  # a trail gets thicker in so many steps towards the object


@dataclass(frozen=True)
class _Foot:
    """Where an object stood: time in ns, x and y of the middle of its lower edge, its sides."""

    stamp_ns: int
    x: float
    y: float
    width: float
    height: float


class Trails:
    """Remembers where the visible tracks were; forgets those that are not seen any more."""

    def __init__(self) -> None:
        self._feet = dict[int, deque[_Foot]]()
        self._shape: tuple[int, ...] = ()

    def add(self, stamp_ns: int, tracks: Sequence[DrawnTrack], shape: tuple[int, ...]) -> None:
        """Add a frame.

        Args:
            stamp_ns: its time; one that does not rise begins anew.
            tracks: the visible ones.
            shape: (H,W) of the image; another one begins anew.
        """
        latest = max((feet[-1].stamp_ns for feet in self._feet.values()), default=stamp_ns - 1)
        if shape != self._shape or latest >= stamp_ns:
            self._feet.clear()
        self._shape = shape
        now = dict[int, deque[_Foot]]()
        for track in tracks:
            x1, y1, x2, y2 = track.box
            foot = _Foot(stamp_ns, (x1 + x2) / 2, y2, x2 - x1, y2 - y1)
            feet = self._feet.get(track.id, deque())
            if feet and abs(foot.x - feet[-1].x) > BREAK * max(foot.width, feet[-1].width):
                feet = deque()
            feet.append(foot)
            while feet[0].stamp_ns < stamp_ns - SECONDS * 1e9:
                feet.popleft()
            now[track.id] = feet
        self._feet = now

    def put(self, image: Image) -> None:
        """Draw the trails into an image (H,W,3) uint8 RGB."""
        thickness = stroke(*image.shape[:2])
        least = TINY * text_size(*image.shape[:2])
        for number, feet in self._feet.items():
            if len(feet) < 3 or feet[-1].height < least:
                continue
            points = _smoothed([(foot.x, foot.y) for foot in feet])
            colour = track_colour(number)
            for part in range(PARTS):
                first = part * (len(points) - 1) // PARTS
                last = (part + 1) * (len(points) - 1) // PARTS
                line = np.round(points[first : last + 1] * 16).astype(np.int32)
                width = max(1, round(thickness * (1 + part) / 2))
                cv2.polylines(image, [line], False, colour, width, cv2.LINE_AA, shift=4)


def _smoothed(points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Means of three neighbours (n,2); the ends stay."""
    line = np.array(points, np.float64)
    line[1:-1] = (line[:-2] + line[1:-1] + line[2:]) / 3
    return line
