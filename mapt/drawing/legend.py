"""A legend of the classes in a picture, at its lower edge."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from mapt.drawing.colours import class_colours
from mapt.drawing.text import Image, put_plate, put_text, text_size, text_width

SHARE = 0.005  # of the picture: a class that covers less is not named
STEP = 3  # every third row and column is counted
GROUND = (16, 16, 16)
PAPER = (235, 235, 235)


def seen_classes(semantic: NDArray[np.uint8], instance: NDArray[np.int32]) -> set[int]:
    """Train ids that tint a noticeable part of the picture (H,W); objects have no tint."""
    sample = (slice(None, None, STEP), slice(None, None, STEP))
    stuff = semantic[sample][instance[sample] == 0]
    counts = np.bincount(stuff, minlength=256)
    return set(np.flatnonzero(counts > SHARE * semantic[sample].size).tolist())


def put_legend(image: Image, train_ids: Collection[int], names: Sequence[str]) -> None:
    """Name classes with their colours.

    Args:
        image: (H,W,3) uint8 RGB, changed in place.
        train_ids: the classes to name; those without a name are left out.
        names: by train id.
    """
    size = text_size(*image.shape[:2])
    named = [i for i in sorted(train_ids) if i < len(names)]
    if not named:
        return
    colours = class_colours(names)
    swatch = round(0.8 * size)
    gap = round(0.9 * size)
    widths = [swatch + size // 2 + text_width(names[i], size) + gap for i in named]
    rows = _rows(widths, image.shape[1] - gap)
    line = round(1.6 * size)
    top = image.shape[0] - line * len(rows) - size // 4
    put_plate(image, (0, top, image.shape[1], image.shape[0]), GROUND, 0.62)
    number = 0
    for row, count in enumerate(rows):
        x = gap
        y = top + size // 4 + row * line
        for _ in range(count):
            train_id = named[number]
            box = (x, y + (line - swatch) // 2, x + swatch, y + (line + swatch) // 2)
            put_plate(image, (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), PAPER)
            put_plate(image, box, colours[train_id])
            start = (x + swatch + size // 2, y + (line + round(0.7 * size)) // 2)
            put_text(image, names[train_id], start, PAPER, size)
            x += widths[number]
            number += 1


def _rows(widths: Sequence[int], available: int) -> list[int]:
    """How many entries each row takes, from left to right."""
    rows = [0]
    used = 0
    for width in widths:
        if rows[-1] and used + width > available:
            rows.append(0)
            used = 0
        rows[-1] += 1
        used += width
    return rows
