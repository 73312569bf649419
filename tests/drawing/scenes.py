"""Small labelled frames to draw."""

import numpy as np

from mapt.labels.class_sets import KITTI_STEP
from mapt.runtime import PanopticFrame, Track

Box = tuple[int, int, int, int]


def frame_with(
    boxes: dict[int, Box], size: tuple[int, int] = (360, 640), stamp_ns: int = 0, lost: int = 0
) -> PanopticFrame:
    """Road everywhere, and a car that fills each box (xyxy), by id."""
    semantic = np.zeros(size, np.uint8)
    instance = np.zeros(size, np.int32)
    for number, (x1, y1, x2, y2) in boxes.items():
        semantic[y1:y2, x1:x2] = 13
        instance[y1:y2, x1:x2] = 0 if lost else number
    tracks = tuple(
        Track(number, 13, 0.9, tuple(map(float, box)), 1, lost, "car")  # type: ignore[arg-type]
        for number, box in boxes.items()
    )
    return PanopticFrame(
        semantic, instance, tracks, (), {}, stamp_ns, 0, classes=KITTI_STEP.classes
    )


def gray(size: tuple[int, int] = (360, 640)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A gray image (H,W,3)."""
    return np.full((*size, 3), 100, np.uint8)
