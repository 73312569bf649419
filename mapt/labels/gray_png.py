"""Grey PNGs that hold numbers: labels of 8 bits, ids of 16."""

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
    """A grey PNG of 8 or 16 bits a pixel as (H,W) int64.

    Raises:
        InputError: missing, truncated, or of another kind.
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
