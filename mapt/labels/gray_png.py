"""Reads grey PNGs of numbers: labels of 8 bits, and ids of 16 bits."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.image_files import is_whole_png
from mapt.io.user_files import read_file

KINDS = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16)}


def read_grey(path: Path, bits: int) -> NDArray[np.int64]:
    """Read a grey PNG.

    Args:
        path: the file.
        bits: the bits of a pixel that it must have, 8 or 16.

    Returns:
        (H,W) int64.

    Raises:
        InputError: the file is missing, truncated, or another kind of PNG.
    """
    data = read_file(path)
    image = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if is_whole_png(data)
        else None
    )
    if image is None:
        raise InputError(f"{path}: is truncated, damaged or not a PNG; copy it again")
    if image.ndim != 2 or image.dtype != KINDS[bits]:
        raise InputError(
            f"{path}: is not a grey PNG of {bits} bits; take the label as it was published"
        )
    return image.astype(np.int64)
