"""Text in the TrueType font that OpenCV carries, sharp at every size."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.drawing.colours import Colour

Image = NDArray[np.uint8]
SMALLEST = 11.0  # pixels; smaller letters are not read
SHARE = 0.015  # of a picture's mean side: 14 pixels at 1280x720, 43 at 3840x2160
WEIGHT = 500  # of the variable font: between regular (400) and semibold (600)


def text_size(height: int, width: int) -> int:
    """The size of letters in pixels that suits a picture, by which all else is measured."""
    return round(max(SMALLEST, SHARE * math.sqrt(height * width)))


@lru_cache(maxsize=4096)
def text_width(text: str, size: int) -> int:
    """How many pixels a line of text takes."""
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _font(), size, WEIGHT)
    return int(width)


def put_text(image: Image, text: str, at: tuple[int, int], colour: Colour, size: int) -> None:
    """Write a line into an image (H,W,3) RGB.

    Args:
        image: changed in place.
        text: the line.
        at: x and y of the left end of its baseline.
        colour: RGB.
        size: of the letters, in pixels.
    """
    cv2.putText(image, text, at, colour, _font(), size, WEIGHT)


def put_plate(
    image: Image, box: tuple[int, int, int, int], colour: Colour, opacity: float = 1.0
) -> None:
    """Lay a plain rectangle under a text; `box` is xyxy pixels, and may leave the image."""
    height, width = image.shape[:2]
    x1 = max(box[0], 0)
    y1 = max(box[1], 0)
    part = image[y1 : max(min(box[3], height), y1), x1 : max(min(box[2], width), x1)]
    if not part.size:
        return
    if opacity == 1.0:
        part[:] = colour
        return
    plate = np.full_like(part, colour)
    part[:] = cv2.addWeighted(part, 1 - opacity, plate, opacity, 0)


def put_caption(image: Image, text: str, at: tuple[int, int], size: int) -> None:
    """Write a white line on a dark, translucent plate whose upper left corner is at x and y."""
    x, y = at
    pad = size // 2
    put_plate(image, (x, y, x + text_width(text, size) + 2 * pad, y + 2 * size), (0, 0, 0), 0.55)
    put_text(image, text, (x + pad, y + round(1.4 * size)), (255, 255, 255), size)


@cache
def _font() -> Any:
    return cv2.FontFace("sans")
