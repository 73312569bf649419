"""Reads and writes COCO's run-length text.

It is decoded here, because pycocotools reads damaged text beyond its end instead of refusing it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

OFFSET = 48  # of a character: five bits, the highest a sign at the end, one more
VALUE = 0x1F
SIGN = 0x10
MORE = 0x20


def decode_runs(text: bytes) -> NDArray[np.int64]:
    """Run lengths (n,) int64, the first of zeros, column by column.

    From the fourth on a number is the difference to the one two before it.

    Raises:
        ValueError: the text is not a run-length text.
    """
    characters = np.frombuffer(text, np.uint8).astype(np.int64) - OFFSET
    if (
        not len(characters)
        or characters.min() < 0
        or characters.max() >= 2 * MORE
        or characters[-1] & MORE
    ):
        raise ValueError("is not a run-length text")
    ends = np.flatnonzero(~characters & MORE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    digits = ends - starts + 1
    if digits.max() > 7:  # more than 32 bits
        raise ValueError("holds a run that is too long")
    place = 5 * (np.arange(len(characters)) - np.repeat(starts, digits))
    numbers = np.add.reduceat((characters & VALUE) << place, starts)
    numbers -= np.where(characters[ends] & SIGN, 1 << 5 * digits, 0)
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers


def decode_mask(text: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """The mask (height,width) bool.

    Raises:
        ValueError: the text is not a run-length text, or its runs do not cover the mask exactly.
    """
    runs = covering_runs(text, height, width)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def covering_runs(text: bytes, height: int, width: int) -> NDArray[np.int64]:
    """Return run lengths (n,) int64 that cover `height` x `width` pixels.

    Runs that do not cover them exactly raise ValueError.
    """
    runs = decode_runs(text)
    # Each run is bounded first: a sum of runs that wrap around 64 bits would come out right.
    if runs.min() < 0 or runs.max() > height * width or int(runs.sum()) != height * width:
        raise ValueError(f"has runs that do not cover {height}x{width} pixels")
    return runs


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """The run-length text of a mask (H,W) bool."""
    from pycocotools import mask as coco

    encoded: Any = coco.encode(np.asfortranarray(mask, np.uint8))
    return bytes(encoded["counts"])
