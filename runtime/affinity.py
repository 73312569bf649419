"""Association scores as pure functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def soft_iou(masks: Float, others: Float) -> NDArray[np.float64]:
    """Sum min / sum max of every pair of masks, computed only where their boxes meet.

    Args:
        masks: (n,h,w) float32 in [0,1].
        others: (m,h,w) float32 in [0,1].

    Returns:
        (n,m) float64 in [0,1]; 0 where both are empty.
    """
    out = np.zeros((len(masks), len(others)))
    sums, other_sums = masks.sum((1, 2), dtype=np.float64), others.sum((1, 2), dtype=np.float64)
    spans, other_spans = [_span(m) for m in masks], [_span(m) for m in others]
    for i, a in enumerate(spans):
        for j, b in enumerate(other_spans):
            y1, x1, y2, x2 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
            if y1 < y2 and x1 < x2:
                low = float(np.minimum(masks[i, y1:y2, x1:x2], others[j, y1:y2, x1:x2]).sum(dtype=np.float64))
                union = sums[i] + other_sums[j] - low
                out[i, j] = low / union if union > 0 else 0.0
    return out


def _span(mask: Float) -> tuple[int, int, int, int]:
    """The rows and columns (y1, x1, y2, x2) with anything in them; empty: zeros."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(ys[0]), int(xs[0]), int(ys[-1]) + 1, int(xs[-1]) + 1) if len(ys) else (0, 0, 0, 0)


def cosine(rows: Float, columns: Float) -> NDArray[np.float64]:
    """Cosine similarities (n,m) of unit embeddings (n,E) and (m,E) (Eq. 6)."""
    similarity: NDArray[np.float64] = rows.astype(np.float64) @ columns.astype(np.float64).T
    return similarity
