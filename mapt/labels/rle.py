"""Reads and writes COCO's run-length text.

pycocotools writes it. This module reads it, because pycocotools reads beyond the end of damaged
text instead of refusing it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A character is OFFSET plus six bits. Five of them are a digit in base 32, least significant first.
OFFSET = 48
VALUE = 0x1F  # the digit
SIGN = 0x10  # of a number's last digit: the number is negative
MORE = 0x20  # the number continues


def decode_runs(text: bytes) -> NDArray[np.int64]:
    """Decode run lengths.

    Runs of zeros and ones alternate, column by column. From the fourth run on, the text holds the
    difference from the run two before.

    Returns:
        Run lengths (n,) int64, beginning with zeros.

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
    shifts = 5 * (np.arange(len(characters)) - np.repeat(starts, digits))
    numbers = np.add.reduceat((characters & VALUE) << shifts, starts)
    numbers -= np.where(characters[ends] & SIGN, 1 << 5 * digits, 0)
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers


def decode_mask(text: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Decode a mask (height,width) bool.

    Raises:
        ValueError: the text is not a run-length text, or its runs do not cover the mask exactly.
    """
    runs = covering_runs(text, height, width)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def covering_runs(text: bytes, height: int, width: int) -> NDArray[np.int64]:
    """Decode run lengths that cover `height` x `width` pixels.

    Returns:
        Run lengths (n,) int64, beginning with zeros.

    Raises:
        ValueError: the text is not a run-length text, or its runs do not cover the pixels exactly.
    """
    runs = decode_runs(text)
    # Bound each run before adding them, because a sum may wrap around 64 bits to the right value.
    if runs.min() < 0 or runs.max() > height * width or sum(runs.tolist()) != height * width:
        raise ValueError(f"has runs that do not cover {height}x{width} pixels")
    return runs


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask (H,W) bool as run-length text."""
    from pycocotools import mask as coco

    encoded: Any = coco.encode(np.asfortranarray(mask, np.uint8))
    return bytes(encoded["counts"])
