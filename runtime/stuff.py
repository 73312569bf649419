"""Stuff of which a frame shows only a few pixels: mostly a mistake of the arg-max, and always a whole segment in PQ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def absorb_small_stuff(
    labels: NDArray[np.uint8], index: NDArray[np.int32], logits: Float, least: int, inner: tuple[int, int]
) -> NDArray[np.uint8]:
    """Give the pixels of stuff classes that are seen on too few of them to the next best class that is seen on enough.

    Args:
        labels: (H,W) uint8, the best stuff class of every pixel; not changed.
        index: (H,W) int32, 0 where no instance is visible.
        logits: semantic logits (K,H/s,W/s) float32; a pixel reads the cell it lies in.
        least: pixels that a class must have outside instances.
        inner: rows and columns of the input that the image fills; what lies outside does not count.

    Returns:
        (H,W) uint8; `labels` itself where nothing is to be done.
    """
    seen = labels[: inner[0], : inner[1]][index[: inner[0], : inner[1]] == 0]
    areas = np.bincount(seen, minlength=len(logits))
    small, enough = (areas > 0) & (areas < least), np.flatnonzero(areas >= least)
    if not small.any() or not len(enough):
        return labels
    y, x = np.nonzero(small[labels] & (index == 0))
    stride = len(labels) // logits.shape[1]
    out = labels.copy()
    out[y, x] = enough[logits[enough][:, y // stride, x // stride].argmax(0)]
    return out
