"""Association scores as pure functions of arrays."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Index = NDArray[np.intp]
TAIL = 1e-4
GRAIN = 2.0**-26  # of an embedding's entry; float32 itself is as coarse from 1/4 on
CELLS = 2**17  # compared at once, or one pair of masks: what bounds the memory


def soft_iou(masks: Float, others: Float, windows: Index | None = None) -> NDArray[np.float64]:
    """Compute the soft IoU, sum min / sum max, of every pair of masks.

    Masks are compared only where their windows overlap.

    A mask's window holds all of it that is above `TAIL`: what a network leaves everywhere else
    meets nothing, though it counts in the mask's own sum.

    Args:
        masks: (n,h,w) float32 in [0,1].
        others: (m,h,w) float32 in [0,1].
        windows: of the others, outside of which they are zero, (m,4) y1, x1, y2, x2; None: look for
            them.

    Returns:
        (n,m) float64 in [0,1]; 0 where both are empty or their windows do not meet.
    """
    low = np.zeros((len(masks), len(others)))
    if not low.size:
        return low
    own = find_windows(masks)
    windows = find_windows(others) if windows is None else windows
    rows, columns = np.nonzero(_meet(own, windows))
    first = np.maximum(own[rows, :2], windows[columns, :2])
    size = np.minimum(own[rows, 2:], windows[columns, 2:]) - first
    low[rows, columns] = _sums_of_minima(masks, others, rows, columns, first, size)
    # Summed in float32, by pairs: a conversion to float64 costs more than all the comparisons.
    areas = masks.reshape(len(masks), -1).sum(1).astype(np.float64)
    other_areas = np.zeros(len(others))
    filled = np.flatnonzero(windows[:, 2] > windows[:, 0])
    if len(filled):
        window = windows[filled]
        other_areas[filled] = _sums_of_minima(
            others, others, filled, filled, window[:, :2], window[:, 2:] - window[:, :2]
        )
    union = areas[:, None] + other_areas[None] - low
    np.divide(low, union, out=low, where=union > 0)
    return low


def _meet(windows: Index, others: Index) -> NDArray[np.bool_]:
    """Tell which of the windows (n,4) and (m,4) have a cell in common: (n,m)."""
    y1, x1, y2, x2 = (np.ascontiguousarray(column)[:, None] for column in windows.T)
    other_y1, other_x1, other_y2, other_x2 = np.ascontiguousarray(others.T)
    meet: NDArray[np.bool_] = (y1 < other_y2) & (other_y1 < y2)
    meet &= (x1 < other_x2) & (other_x1 < x2)
    # An empty window of zeros lies in no other.
    meet &= (y1 < y2) & (other_y1 < other_y2)
    return meet


def _sums_of_minima(
    masks: Float, others: Float, i: Index, j: Index, corner: Index, size: Index
) -> NDArray[np.float64]:
    """Sum min(masks[i], others[j]) over a window for each of k pairs, (k,).

    The window of a pair starts at (y,x) `corner` and has the (height,width) `size`.
    """
    sums = np.zeros(len(i))
    portion = size.prod(1).cumsum() // CELLS
    ends = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), len(i)]
    for part in (slice(a, b) for a, b in itertools.pairwise(ends) if a < b):
        sums[part] = _sums_at_once(masks, others, i[part], j[part], corner[part], size[part])
    return sums


def _sums_at_once(
    masks: Float, others: Float, i: Index, j: Index, corner: Index, size: Index
) -> NDArray[np.float64]:
    height, width = masks.shape[1:]
    # a line: a row of a window
    lines = np.repeat(np.arange(len(i)), size[:, 0])
    wide = np.repeat(size[:, 1], size[:, 0])
    y = np.arange(len(lines)) - np.repeat(size[:, 0].cumsum() - size[:, 0], size[:, 0])
    begins = ((i * height + corner[:, 0]) * width + corner[:, 1])[lines] + y * width
    place = np.repeat(begins - wide.cumsum() + wide, wide) + np.arange(
        wide.sum()
    )  # of each cell in `masks`
    cells = size.prod(1)
    lower = np.minimum(
        masks.take(place), others.take(place + np.repeat((j - i) * (height * width), cells))
    )
    sums: NDArray[np.float64] = np.add.reduceat(lower, cells.cumsum() - cells, dtype=np.float64)
    return sums


def find_windows(masks: Float) -> Index:
    """Find the window of each mask that holds anything above `TAIL`.

    Windows are rows and columns (n,4) y1, x1, y2, x2 of masks (n,h,w). An empty mask has a window
    of zeros.
    """
    rows = max(1, 8 * CELLS // math.prod(masks.shape[1:]))  # a byte for each
    if len(masks) <= rows:
        return _windows_at_once(masks)
    return np.concatenate(
        [_windows_at_once(masks[start : start + rows]) for start in range(0, len(masks), rows)]
    )


def _windows_at_once(masks: Float) -> Index:
    height, width = masks.shape[1:]
    held = masks > TAIL
    cells = held.view(np.uint32) if width % 4 == 0 else held  # four at once
    ys = np.bitwise_or.reduce(cells, 2) != 0
    xs = np.bitwise_or.reduce(cells, 1).view(np.bool_)
    out = np.stack(
        (ys.argmax(1), xs.argmax(1), height - ys[:, ::-1].argmax(1), width - xs[:, ::-1].argmax(1)),
        1,
    )
    return np.where(ys.any(1, keepdims=True), out, 0)


def cosine(rows: Float, columns: Float) -> NDArray[np.float64]:
    """Cosine similarities (n,m) of embeddings (n,E) and (m,E) of at most unit length (Eq. 6).

    Entries count as multiples of `GRAIN`, so that float64 holds every product and every sum of
    products exactly. The result therefore does not depend on the order in which BLAS adds.
    """
    similarity: NDArray[np.float64] = _grained(rows) @ _grained(columns).T
    return similarity


def _grained(embeddings: Float) -> NDArray[np.float64]:
    grained: NDArray[np.float64] = np.rint(embeddings * np.float64(1 / GRAIN)) * GRAIN
    return grained
