"""Arranges pictures in sheets and strips, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mapt.drawing.text import Image, put_caption, put_text
from mapt.io.image_files import write_image

LETTERS = 13  # pixels


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
        put_caption(cell, caption, (6, height - 6 - 2 * LETTERS), LETTERS)
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
            put_text(below, line, (6, 18 + 20 * number), (255, 255, 255), LETTERS)
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
