"""The spatial gate: how far an object can have moved while it was not seen.

It keeps the ids of stage 2 from jumping across the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mapt.contract import Thresholds

Boxes = NDArray[np.float32]


def reach_used(expected: Boxes, boxes: Boxes, thresholds: Thresholds) -> NDArray[np.float64]:
    """Compute how much of the gate every pair of track and detection uses, as a share.

    A pair with a share above 1 is refused.

    Two centres may lie `reach` sizes apart, and one size may be `resize` times the other. A size is
    the root of a box's area; distances count in the geometric mean of both. The larger of the two
    shares counts.

    Args:
        expected: (n,4) xyxy, where each track should be now, network pixels.
        boxes: (m,4) xyxy, the detections.
        thresholds: thresholds.

    Returns:
        (n,m) float64, not negative.
    """
    before = np.asarray(expected, np.float64)[:, None]
    now = np.asarray(boxes, np.float64)[None]
    apart = (before[..., :2] + before[..., 2:] - now[..., :2] - now[..., 2:]) / 2
    # np.hypot would call the C library, and each rounds in its own way.
    distance = np.sqrt(np.square(apart[..., 0]) + np.square(apart[..., 1]))
    # A visible mask has a pixel; what a damaged state restores need not.
    sizes = [
        np.sqrt(np.maximum((b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]), 1))
        for b in (before, now)
    ]
    allowed = thresholds.reach * np.sqrt(sizes[0] * sizes[1])
    ratio = np.maximum(sizes[0] / sizes[1], sizes[1] / sizes[0])
    used: NDArray[np.float64] = np.maximum(distance / allowed, ratio / thresholds.resize)
    return used
