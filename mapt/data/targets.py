"""From label maps to the network's targets."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mapt.model.targets import FrameTargets

MAX_INSTANCES = 200
MIN_AREA = 12  # visible pixels below which an object is ignored


def frame_targets(semantic: NDArray[np.uint8], instance: NDArray[np.int32], things: tuple[int, ...]) -> FrameTargets:
    """Targets of one frame.

    Args:
        semantic: (H,W) uint8 train ids, 255 void.
        instance: (H,W) int32; with the class it identifies an object. A thing pixel with id 0 is a crowd.
        things: train ids with instances.

    Returns:
        One row per visible object, largest first, at most 200; crowds and slivers become ignore boxes.
    """
    thing = np.isin(semantic, things)
    key = np.where(thing & (instance > 0), instance.astype(np.int64) * 256 + semantic, 0)
    keys, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    boxes = _tight_boxes(inverse.reshape(key.shape), len(keys))
    order = [int(i) for i in np.argsort(-counts, kind="stable") if keys[i] != 0]
    kept = [i for i in order if counts[i] >= MIN_AREA][:MAX_INSTANCES]
    ignored = [boxes[i] for i in order if i not in set(kept)]
    ignored += _component_boxes(thing & (instance == 0))
    rows = np.zeros(len(keys), np.uint8)
    rows[kept] = np.arange(1, len(kept) + 1)
    return FrameTargets(
        semantic=torch.from_numpy(np.ascontiguousarray(semantic)),
        index=torch.from_numpy(rows[inverse].reshape(key.shape)),
        boxes=torch.from_numpy(boxes[kept].astype(np.float32)),
        labels=torch.from_numpy((keys[kept] % 256).astype(np.int64)),
        track_ids=torch.from_numpy(keys[kept].astype(np.int64)),
        ignore_boxes=torch.tensor(np.array(ignored, np.float32).reshape(-1, 4)),
    )


def _tight_boxes(rows: NDArray[np.intp], count: int) -> NDArray[np.int64]:
    """Tight xyxy boxes (count,4) of the values 0..count-1 of an index map."""
    height, width = rows.shape
    boxes = np.zeros((count, 4), np.int64)
    boxes[:, 0], boxes[:, 1] = width, height
    y, x = np.nonzero(rows)  # row 0 is the background: its box is not needed
    row = rows[y, x]
    np.minimum.at(boxes[:, 0], row, x)
    np.minimum.at(boxes[:, 1], row, y)
    np.maximum.at(boxes[:, 2], row, x + 1)
    np.maximum.at(boxes[:, 3], row, y + 1)
    return boxes


def _component_boxes(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Boxes of the connected parts of a mask."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [np.array([x, y, x + w, y + h]) for x, y, w, h, _ in stats[1:count]]
