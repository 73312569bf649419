"""Scripts of frames: what a network would say of objects that are drawn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mapt.contract import ModelInfo
from mapt.runtime.perception.fusion import COARSE, STRIDE


def say(
    info: ModelInfo,
    index: NDArray[np.int32],
    labels: NDArray[np.int32],
    looks: NDArray[np.float32],
) -> dict[str, Any]:
    """What a perfect network says of a frame.

    Args:
        info: of the network, whose first class is its only stuff.
        index: (H,W), i + 1 where object i is.
        labels: (n,) train ids of the objects.
        looks: (n,E) embeddings of the objects.

    Returns:
        A script: tensors by the names of `scripted_core.TENSORS`, costs_ns, count and fails.
    """
    sizes = info.sizes
    coarse = (info.height // COARSE, info.width // COARSE)
    logits = np.full((sizes["K"], info.height // STRIDE, info.width // STRIDE), -4, np.float32)
    logits[0] = 0
    slots = sizes["D"]
    boxes = np.zeros((slots, 4), np.float32)
    scores = np.zeros(slots, np.float32)
    classes = np.zeros(slots, np.int32)
    mask_logits = np.zeros((slots, 28, 28), np.float32)
    masks8 = np.zeros((slots, 1, *coarse), np.float32)
    embeddings = np.zeros((slots, sizes["E"]), np.float32)
    count = 0
    for row, place in enumerate(ndimage.find_objects(index, len(labels))):
        if place is None or count == slots:
            continue
        rows, columns = place
        mask = (index[place] == row + 1).astype(np.float32)
        inside = cv2.resize(mask, (28, 28), interpolation=cv2.INTER_AREA)
        boxes[count] = columns.start, rows.start, columns.stop, rows.stop
        scores[count] = 0.95 - 0.5 * count / slots
        classes[count] = labels[row]
        mask_logits[count] = 12 * inside - 6
        mask_logits[count, 27, 27] += 1e-3 * count  # tells rows apart
        window = tuple(slice(s.start // COARSE, -(-s.stop // COARSE)) for s in place)
        around = index[_scaled(window, COARSE)] == row + 1
        size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
        masks8[count, 0][window] = cv2.resize(
            around.astype(np.float32), size, interpolation=cv2.INTER_AREA
        )
        logits[classes[count]][_scaled(window, COARSE // STRIDE)][around[2::4, 2::4]] = 4
        embeddings[count] = looks[row]
        count += 1
    margins = logits[list(info.things)] - logits[0]
    labels_of_stuff = np.zeros((info.height, info.width), np.uint8)
    return {
        "logits": logits, "margins": margins, "labels": labels_of_stuff, "boxes": boxes,
        "scores": scores, "classes": classes, "mask_logits": mask_logits, "masks8": masks8,
        "embeddings": embeddings, "count": count, "fails": -1, "costs_ns": [0] * 5,
        "features": np.zeros((1, *coarse), np.float32),
        "noise": np.zeros((sizes["N"], 1, *coarse), np.float32),
    }  # fmt: skip


def _scaled(window: tuple[slice, ...], scale: int) -> tuple[slice, ...]:
    return tuple(slice(side.start * scale, side.stop * scale) for side in window)
