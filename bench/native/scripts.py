"""Scripts of frames: what a network would say of objects that are drawn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.contract import ModelInfo


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
    coarse = (info.height // 8, info.width // 8)
    logits = np.full((sizes["K"], info.height // 4, info.width // 4), -4, np.float32)
    logits[0] = 0
    slots = sizes["D"]
    boxes = np.zeros((slots, 4), np.float32)
    scores = np.zeros(slots, np.float32)
    classes = np.zeros(slots, np.int32)
    mask_logits = np.zeros((slots, 28, 28), np.float32)
    masks8 = np.zeros((slots, 1, *coarse), np.float32)
    embeddings = np.zeros((slots, sizes["E"]), np.float32)
    count = 0
    for row in np.flatnonzero(np.bincount(index.ravel(), minlength=len(labels) + 1)[1:])[:slots]:
        mask = (index == row + 1).astype(np.float32)
        x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
        inside = cv2.resize(mask[y : y + h, x : x + w], (28, 28), interpolation=cv2.INTER_AREA)
        boxes[count] = x, y, x + w, y + h
        scores[count] = 0.95 - 0.5 * count / slots
        classes[count] = labels[row]
        mask_logits[count] = 12 * inside - 6
        mask_logits[count, 27, 27] += 1e-3 * count  # tells rows apart
        masks8[count, 0] = cv2.resize(mask, coarse[::-1], interpolation=cv2.INTER_AREA)
        logits[classes[count]][mask[2::4, 2::4] > 0] = 4
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
