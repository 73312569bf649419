"""Draws KITTI-MOTS ground truth: ellipses that cross a small frame, and an ignored region."""

import numpy as np
from numpy.typing import NDArray

from mapt.labels.mots_text import IGNORE, Frames, MotsObject
from mapt.labels.rle import encode_mask

SIZE = (64, 112)  # height, width


def drawn_sequence(seed: int, frames: int = 14) -> Frames:
    """Four cars and three people; near ones hide far ones."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    start = rng.uniform((10, 0), (54, 112), (7, 2))
    speed = rng.normal(0, (0.5, 3), (7, 2))
    out: Frames = {}
    for number in range(frames):
        free = np.ones(SIZE, np.bool_)
        objects = []
        ignored = (columns > 90) & (rows < 30)
        objects.append(_object(IGNORE * 1000, IGNORE, ignored))
        free &= ~ignored
        for index in range(7):
            label = 1 if index < 4 else 2
            height, width = (7, 12) if label == 1 else (10, 4)
            down, right = start[index] + number * speed[index]
            mask = ((rows - down) / height) ** 2 + ((columns - right) / width) ** 2 < 1
            mask &= free
            free &= ~mask
            if mask.any():
                objects.append(_object(label * 1000 + index, label, mask))
        out[number] = objects
    return out


def _object(identity: int, label: int, mask: NDArray[np.bool_]) -> MotsObject:
    return MotsObject(identity, label, *SIZE, encode_mask(mask))
