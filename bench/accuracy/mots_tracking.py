"""Tracks KITTI-MOTS ground-truth masks by static mask IoU alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.bench.accuracy.crowd import HEIGHT, PERIOD, WIDTH, instances
from mapt.contract import Thresholds
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.mots_text import (
    CLASSES,
    MotsObject,
    frame_size,
    mots_texts,
    read_mots_text,
    to_panoptic,
)
from mapt.labels.step_png import BACKGROUND
from mapt.metrics import PanopticTrackingMetrics, Results
from mapt.runtime.association.tracks import TrackTable

DROPPED = 0.1  # share of the masks that is dropped where detections are jittered
MOVED = 2  # pixels: the most that such a mask is moved each way
GROWN = 1  # pixels: the most that such a mask is grown or shrunk


def track_mots(root: Path, spoilt: bool, on_progress: Callable[[], None] | None = None) -> Results:
    """Score matching by static mask IoU alone, given KITTI-MOTS ground-truth masks as detections.

    Each mask is predicted to stay where it was. Neither the image nor any embedding is used.

    Args:
        root: the texts.
        spoilt: drop 10 % of the masks and jitter the others.
        on_progress: called after each sequence.

    Raises:
        InputError: no text, or a bad one.
    """
    texts = mots_texts(root)
    if not texts:
        raise InputError(
            f"{root}: holds no KITTI-MOTS text; give the folder of 0000.txt, 0001.txt, ..."
        )
    metrics = PanopticTrackingMetrics(KITTI_STEP)
    for name, path in texts.items():
        frames = read_mots_text(path)
        table = TrackTable(Thresholds(), "iou")
        rng = np.random.default_rng(int(name) if name.isascii() and name.isdecimal() else 0)
        size = frame_size(frames)
        if size is None:
            continue  # without an object there is nothing to associate
        for number in range(max(frames) + 1):
            objects = frames.get(number, [])
            truth = to_panoptic(objects, size, f"{path} frame {number}")
            index, labels = detect(objects, size, rng if spoilt else None)
            fused, rows = instances(index, labels)
            masks = (
                np.stack([t.mask8 for t in table.active()]) if table.active() else fused.masks8[:0]
            )
            embeddings = np.zeros((len(rows), 1), np.float32)
            table, ids, _ = table.update(fused, masks, embeddings, number * PERIOD)
            metrics.update(
                name, truth, (_semantic(index, labels, size), _identities(index, rows, ids, size))
            )
        if on_progress:
            on_progress()
    return metrics.compute()


def detect(
    objects: list[MotsObject], size: tuple[int, int], rng: np.random.Generator | None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw the detections of a frame: a map (H,W) of i + 1 where object i is, and their labels.

    With `rng`, some masks are dropped and the others jittered.
    """
    seen = [o for o in objects if o.label in CLASSES]
    index = np.zeros((HEIGHT, WIDTH), np.int32)
    for i, thing in enumerate(seen):
        mask = thing.mask().astype(np.uint8)
        if rng is not None:
            kept = rng.random() >= DROPPED
            shift = rng.integers(-MOVED, MOVED + 1, 2)
            rounds = int(rng.integers(-GROWN, GROWN + 1))
            change = cv2.dilate if rounds > 0 else cv2.erode
            changed = np.asarray(
                change(mask, np.ones((3, 3), np.uint8), iterations=abs(rounds)), np.uint8
            )
            mask = np.roll(changed if kept else np.zeros_like(changed), shift, (0, 1))
        index[: size[0], : size[1]][(mask > 0) & (index[: size[0], : size[1]] == 0)] = i + 1
    return index, np.array([CLASSES[o.label] for o in seen], np.int32)


def _semantic(
    index: NDArray[np.int32], labels: NDArray[np.int32], size: tuple[int, int]
) -> NDArray[np.uint8]:
    table = np.full(len(labels) + 1, BACKGROUND, np.uint8)
    table[1:] = labels
    semantic: NDArray[np.uint8] = table[index[: size[0], : size[1]]]
    return semantic


def _identities(
    index: NDArray[np.int32], rows: NDArray[np.intp], ids: list[int], size: tuple[int, int]
) -> NDArray[np.int32]:
    table = np.zeros(int(index.max(initial=0)) + 1, np.int32)
    table[rows + 1] = ids
    instance: NDArray[np.int32] = table[index[: size[0], : size[1]]]
    return instance
