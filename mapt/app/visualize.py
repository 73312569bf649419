"""Draws labelled frames, without torch."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.io.image_files import write_image
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import VOID
from mapt.runtime import PanopticFrame

Image = NDArray[np.uint8]
GOLDEN = 0.618034


def track_colour(number: int) -> tuple[int, int, int]:
    """A track's RGB colour: the same at every call, neighbours far apart."""
    r, g, b = colorsys.hsv_to_rgb(number * GOLDEN % 1.0, 0.55 + 0.45 * (number * 7 % 3) / 2, 1.0)
    return round(r * 255), round(g * 255), round(b * 255)


def draw(image: Image, frame: PanopticFrame, labels: ClassSet, caption: str = "") -> Image:
    """Draw classes as a light tint, instances in their track's colour, and a caption.

    Each instance has a contour and shows its id.

    Args:
        image: (H,W,3) uint8 RGB.
        frame: its labels.
        labels: the classes' colours.
        caption: a line in the upper left corner.

    Returns:
        (H,W,3) uint8 RGB.
    """
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(labels.palette)] = labels.palette
    tint = palette[frame.semantic]
    out = np.asarray(cv2.addWeighted(image, 0.72, tint, 0.28, 0), np.uint8)
    out[frame.semantic == VOID] = image[frame.semantic == VOID]
    scale = max(0.35, image.shape[0] / 900)
    for track in frame.tracks:
        if track.lost:
            continue
        mask = (frame.instance == track.id).astype(np.uint8)
        x1, y1, x2, y2 = _window(mask)
        if x2 <= x1:
            continue
        part = mask[y1:y2, x1:x2] > 0
        colour = track_colour(track.id)
        out[y1:y2, x1:x2][part] = (
            0.45 * image[y1:y2, x1:x2][part] + 0.55 * np.array(colour)
        ).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, contours, -1, colour, 1, cv2.LINE_AA)
        _text(out, str(track.id), (round((x1 + x2) / 2) - 5, max(y1 - 3, 10)), scale)
    if caption:
        _text(out, caption, (6, round(18 * max(scale / 0.42, 1))), scale * 1.15)
    return out


def contact_sheet(
    images: Sequence[Image], captions: Sequence[str], columns: int = 2, width: int = 800
) -> Image:
    """Pictures of one size in a grid, each with its caption, `width` pixels wide each."""
    cells = []
    for image, caption in zip(images, captions, strict=True):
        height = round(image.shape[0] * width / image.shape[1])
        cell = np.asarray(
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
        _text(cell, caption, (6, height - 8), 0.5)
        cells.append(np.pad(cell, ((2, 2), (2, 2), (0, 0))))
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.vstack(rows)


def strip(
    cells: Sequence[tuple[Image, Sequence[str]]], columns: int = 6, width: int = 260
) -> Image:
    """Pictures with lines of text under each, left to right and top to bottom.

    Args:
        cells: (h,w,3) uint8 RGB of any size, and its lines; every cell has the same number of
            lines.
        columns: cells a row.
        width: of a cell, pixels.

    Returns:
        (h,w,3) uint8 RGB.
    """
    drawn = []
    for picture, lines in cells:
        shrinks = picture.shape[0] > width
        resized = cv2.resize(
            picture, (width, width), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        below = np.zeros((20 * len(lines) + 8, width, 3), np.uint8)
        for number, line in enumerate(lines):
            _text(below, line, (6, 18 + 20 * number), 0.4)
        drawn.append(
            np.pad(np.vstack((np.asarray(resized, np.uint8), below)), ((2, 2), (2, 2), (0, 0)))
        )
    columns = min(columns, len(drawn))
    while len(drawn) % columns:
        drawn.append(np.zeros_like(drawn[0]))
    return np.vstack([np.hstack(drawn[i : i + columns]) for i in range(0, len(drawn), columns)])


def write_picture(path: Path, image: Image) -> None:
    """Write (H,W,3) uint8 RGB as the suffix says; the file appears whole or not at all."""
    write_image(path, image)


def _window(mask: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    x, y, w, h = cv2.boundingRect(mask)
    return x, y, x + w, y + h


def _text(image: Image, text: str, at: tuple[int, int], scale: float) -> None:
    """Draw white text with a dark rim, which is readable on any background."""
    # The rim is the same text shifted: a thicker pen would draw wider letters, which do not lie
    # under the white ones.
    shifts = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
    for (dx, dy), colour in (*((shift, (0, 0, 0)) for shift in shifts), ((0, 0), (255, 255, 255))):
        place = (at[0] + dx, at[1] + dy)
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
