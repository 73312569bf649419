"""Draws moving objects, and gives the tracker what the fusion would give it for them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.runtime.association.tracks import TrackTable
from mapt.runtime.perception.fusion import Detections, Fused

Float = NDArray[np.float32]
HEIGHT = 384  # pixels, as of KITTI's 375x1242 in the network's input
WIDTH = 1248
EMBEDDING = 256  # channels
CAR = 13  # KITTI-STEP's class
PERIOD = 100_000_000  # ns between two frames


def crowd(count: int, frames: int, seed: int = 0) -> Iterator[tuple[Fused, Float]]:
    """Generate ellipses that move through the picture.

    Distant ones are small and high up. Each frame is a pair (instances, embeddings).
    """
    rng = np.random.default_rng(seed)
    widths = np.exp(rng.uniform(np.log(20), np.log(90), count))  # pixels
    centre = np.stack(
        (rng.uniform(0, WIDTH, count), 150 + 2 * widths + rng.normal(0, 15, count)), 1
    )
    speed = rng.normal(0, 4, count)
    embeddings = rng.normal(size=(count, EMBEDDING)).astype(np.float32)
    order = np.argsort(widths)
    for number in range(frames):
        index = np.zeros((HEIGHT, WIDTH), np.int32)
        for k in order:  # near ones cover far ones
            x = round(centre[k, 0] + speed[k] * number) % WIDTH
            y = round(centre[k, 1])
            axes = (round(widths[k] / 2), round(widths[k] * 0.3))
            cv2.ellipse(index, (x, y), axes, 0, 0, 360, int(k) + 1, -1)
        hidden = rng.random(count) < 0.02
        index[np.isin(index, np.flatnonzero(hidden) + 1)] = 0
        noisy = embeddings + rng.normal(0, 0.1, embeddings.shape).astype(np.float32)
        fused, rows = instances(index, np.full(count, CAR, np.int32))
        yield fused, noisy[rows] / np.linalg.norm(noisy[rows], axis=1, keepdims=True)


def instances(
    index: NDArray[np.int32], labels: NDArray[np.int32]
) -> tuple[Fused, NDArray[np.intp]]:
    """Build what the fusion would output for a drawn map, and find the visible objects.

    The map (H,W) holds i + 1 where object i is. The second result holds the rows of the visible
    objects.
    """
    rows = np.flatnonzero(np.bincount(index.ravel())[1:])
    boxes = np.zeros((len(rows), 4), np.float32)
    masks8 = np.zeros((len(rows), 1, HEIGHT // 8, WIDTH // 8), np.float32)
    for i, row in enumerate(rows):
        mask = (index == row + 1).astype(np.float32)
        x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
        boxes[i] = x, y, x + w, y + h
        masks8[i, 0] = cv2.resize(mask, (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA)
    count = len(rows)
    scores = np.full(count, 0.9, np.float32)
    logits = np.zeros((count, 28, 28), np.float32)
    slots = np.arange(count, dtype=np.int32)
    found = Detections(boxes, scores, labels[rows], logits, slots)
    return Fused(found, index, masks8, boxes), rows


def static_masks(table: TrackTable) -> Float:
    """Return the active tracks' masks at their old places, as propagation would predict them.

    Empty pixels get a small positive value, because a network's masks are faintly positive
    everywhere.
    """
    masks = [track.mask8 for track in table.active()]
    return (
        np.maximum(np.stack(masks), 1e-6)
        if masks
        else np.zeros((0, 1, HEIGHT // 8, WIDTH // 8), np.float32)
    )
