"""Turns label maps into the network's training targets."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from mapt.model.targets import FrameTargets

MAX_INSTANCES = 200
MIN_AREA = 12  # pixels; an object with fewer visible ones is ignored
# The least share of its box that an object fills. One that fills less shows through a hedge or a
# railing, and would teach to see objects in these.
MIN_FILL = 0.3


def frame_targets(
    semantic: NDArray[np.uint8], instance: NDArray[np.int32], things: tuple[int, ...]
) -> FrameTargets:
    """Build the targets of one frame.

    Args:
        semantic: (H,W) uint8 train ids, 255 void.
        instance: (H,W) int32 ids. Class and id together identify an object. A thing pixel with id 0
            belongs to a crowd, and any pixel with id -1 to an ignored region.
        things: train ids of the classes with instances.

    Returns:
        Targets with a row for each of the 200 largest visible objects, in falling order of area.
        Crowds, ignored regions and all other objects, such as those of which shreds are visible,
        become ignore boxes.
    """
    is_thing = np.zeros(256, np.bool_)
    is_thing[list(things)] = True
    thing = is_thing[semantic]
    own = thing & (instance > 0)
    # Sorting all pixels of the frame, not only those of things, would take five times as long.
    keys, inverse, counts = np.unique(
        instance[own].astype(np.int64) * 256 + semantic[own],
        return_inverse=True,
        return_counts=True,
    )
    found = np.zeros(semantic.shape, np.int32)
    found[own] = inverse + 1
    boxes = _tight_boxes(found)
    sides = boxes[:, 2:] - boxes[:, :2]
    usable = (counts >= MIN_AREA) & (counts >= MIN_FILL * sides.prod(1))
    order = np.lexsort((-counts, ~usable))  # stable, the usable ones first
    boxes = boxes[order]
    kept = min(int(usable.sum()), MAX_INSTANCES)
    rows = np.zeros(len(keys) + 1, np.int32)
    rows[order[:kept] + 1] = np.arange(1, kept + 1)
    keys = keys[order[:kept]]
    crowds = _component_boxes((thing & (instance <= 0)) | (instance < 0))
    return FrameTargets(
        semantic=torch.from_numpy(np.ascontiguousarray(semantic)),
        index=torch.from_numpy(rows[found].astype(np.uint8)),
        boxes=torch.from_numpy(boxes[:kept]),
        labels=torch.from_numpy(keys % 256),
        track_ids=torch.from_numpy(keys),
        ignore_boxes=torch.from_numpy(np.concatenate((boxes[kept:], crowds))),
    )


def _tight_boxes(rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the tight boxes (n,4) xyxy of the values 1..n in a map (H,W); 0 is background."""
    slices = ndimage.find_objects(rows)
    return np.array([(x.start, y.start, x.stop, y.stop) for y, x in slices], np.float32).reshape(
        -1, 4
    )


def _component_boxes(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the boxes (n,4) xyxy of the connected parts of a mask (H,W)."""
    if not mask.any():
        return np.zeros((0, 4), np.float32)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    x, y, width, height = np.asarray(stats[1:, :4], np.float32).T
    return np.stack((x, y, x + width, y + height), 1)
