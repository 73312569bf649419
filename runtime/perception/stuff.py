"""Removes stuff of which a frame shows only a few pixels.

Such stuff is mostly a mistake of the arg-max, but always counts as a whole segment in PQ.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.runtime.perception.fusion import STRIDE
from mapt.runtime.perception.workspace import Workspace

Float = NDArray[np.float32]


def absorb_small_stuff(
    labels: NDArray[np.uint8],
    index: NDArray[np.int32],
    fetch: Callable[[NDArray[np.intp], NDArray[np.intp]], Float],
    least: int,
    inner: tuple[int, int],
    workspace: Workspace | None = None,
) -> NDArray[np.uint8]:
    """Replace stuff classes that are seen on too few pixels.

    Their pixels get the next best class that is seen on enough pixels.

    Args:
        labels: (H,W) uint8, the best stuff class of every pixel; not changed.
        index: (H,W) int32, 0 where no instance is visible.
        fetch: gives some planes and rows of the semantic logits (K,H/4,W/4) float32; it is called
            where they are needed. A pixel reads the cell it lies in.
        least: pixels that a class must have outside instances.
        inner: rows and columns of the input that the image fills; what lies outside neither counts
            nor changes.
        workspace: memory that is used again; None: new.

    Returns:
        (H,W) uint8, in the workspace; `labels` itself where nothing is to be done.
    """
    workspace = workspace or Workspace()
    shown = labels[: inner[0], : inner[1]]
    bare = np.equal(
        index[: inner[0], : inner[1]], 0, out=workspace.take("inside", shown.shape, np.bool_)
    )
    areas = cv2.calcHist([shown], [0], bare.view(np.uint8), [256], [0, 256]).ravel()
    small = (areas > 0) & (areas < least)
    enough = np.flatnonzero(areas >= least)
    if not small.any() or not len(enough):
        return labels
    moves = cv2.LUT(shown, small.view(np.uint8), workspace.take("free", shown.shape, np.uint8))
    y, x = np.nonzero(np.logical_and(moves, bare, out=bare))
    rows = np.unique(y // STRIDE)
    logits = fetch(enough, rows)
    out: NDArray[np.uint8] = workspace.take("stuff", labels.shape, np.uint8)
    np.copyto(out, labels)
    out[y, x] = enough[logits[:, np.searchsorted(rows, y // STRIDE), x // STRIDE].argmax(0)]
    return out
