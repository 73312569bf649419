"""Panoptic fusion (paper Eq. 8), inside the detections' boxes only."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.contract import Thresholds

Float = NDArray[np.float32]
STRIDE = 4  # of the semantic logits
COARSE = 8  # of the association's masks


@dataclass(frozen=True)
class Detections:
    """The instance head's valid rows.

    Attributes:
        boxes: (D,4) float32 xyxy input pixels.
        scores: (D,) float32.
        classes: (D,) int32 train ids.
        mask_logits: (D,28,28) float32.
        masks8: (D,1,H/8,W/8) float32.
    """

    boxes: Float
    scores: Float
    classes: NDArray[np.int32]
    mask_logits: Float
    masks8: Float

    def __len__(self) -> int:
        """How many."""
        return len(self.scores)

    def take(self, rows: NDArray[np.intp]) -> Detections:
        """The detections of those rows."""
        return Detections(
            self.boxes[rows], self.scores[rows], self.classes[rows], self.mask_logits[rows], self.masks8[rows]
        )

    def first(self, count: int, score: float = 0.0) -> tuple[Detections, int]:
        """The first `count` of them, and how many of the others reach `score`."""
        if len(self) <= count:
            return self, 0
        dropped = int((self.scores[count:] >= score).sum())
        return self.take(np.arange(count)), dropped


@dataclass(frozen=True)
class Fused:
    """What is left of the detections after the fusion.

    Attributes:
        detections: those that kept a visible mask.
        index: (H,W) int32, i + 1 where instance i is visible, 0 elsewhere.
        masks8: (n,1,H/8,W/8) float32, the visible masks' area averages.
        boxes: (n,4) float32, tight around the visible masks.
    """

    detections: Detections
    index: NDArray[np.int32]
    masks8: Float
    boxes: Float

    def windows(self) -> NDArray[np.intp]:
        """The cells (n,4) y1, x1, y2, x2 of `masks8` that the boxes touch: nothing of a mask lies outside."""
        low, high = np.floor(self.boxes[:, :2] / COARSE), np.ceil(self.boxes[:, 2:] / COARSE)
        return np.concatenate((low[:, ::-1], high[:, ::-1]), 1).astype(np.intp)


def fuse(
    detections: Detections, logits: Float, stuff: tuple[int, ...], limits: Thresholds,
    inner: tuple[int, int] | None = None,
) -> Fused:  # fmt: skip
    """Decide which pixel belongs to which detection.

    In each box the detection's mask logits A and its class's semantic logits B give FL = (sigmoid(A) + sigmoid(B)) *
    (A + B) (Eq. 8). B is measured against the best stuff class of the pixel, so that FL's sign compares the instance
    with the stuff behind it; a pixel goes to the instance of the highest FL where that is positive.

    Args:
        detections: in falling order of score.
        logits: semantic logits (K,H/4,W/4) float32.
        stuff: train ids without instances.
        limits: thresholds of score, overlap and area.
        inner: rows and columns of the input that the image fills; what is seen nowhere in it is dropped. None: all.

    Returns:
        The surviving instances, in the detections' order.
    """
    height, width = logits.shape[1] * STRIDE, logits.shape[2] * STRIDE
    index = np.zeros((height, width), np.int32)
    best = np.zeros((height, width), np.float32)
    if not len(detections):
        return _collect(detections, index, 0)
    rivals = logits[list(stuff)].max(0)
    windows, levels = [], []
    for row in range(len(detections)):
        window = pixel_window(detections.boxes[row], height, width)
        level = _fused_logits(detections, row, window, logits, rivals)
        windows.append(window)
        levels.append(level)
    kept = 0
    rows = []
    for row, (window, level) in enumerate(zip(windows, levels, strict=True)):
        inside = level > 0
        area = int(inside.sum())
        free = int((inside & (index[window] == 0)).sum())
        if detections.scores[row] < limits.score or area < limits.min_area or free < limits.overlap * area:
            continue
        kept += 1
        rows.append(row)
        wins = level > best[window]
        index[window][wins] = kept
        best[window][wins] = level[wins]
    return _visible(detections.take(np.array(rows, np.intp)), index, limits, inner or (height, width))


def pixel_window(box: Float, height: int, width: int) -> tuple[slice, slice]:
    """The pixels (rows, columns) whose centres lie in a box (4,) xyxy, at least one."""
    x1, y1 = (int(np.clip(np.ceil(v - 0.5), 0, n - 1)) for v, n in zip(box[:2], (width, height), strict=True))
    x2, y2 = (int(np.clip(np.ceil(v - 0.5), 1, n)) for v, n in zip(box[2:], (width, height), strict=True))
    return slice(y1, max(y2, y1 + 1)), slice(x1, max(x2, x1 + 1))


def _fused_logits(detections: Detections, row: int, window: tuple[slice, slice], logits: Float, rivals: Float) -> Float:
    """FL of one detection over its window."""
    instance = paste(detections.mask_logits[row], detections.boxes[row], window)
    own = logits[detections.classes[row]] - rivals
    semantic = upsample_window(own, window)
    return (sigmoid(instance) + sigmoid(semantic)) * (instance + semantic)


def paste(mask: Float, box: Float, window: tuple[slice, slice]) -> Float:
    """Bilinear samples of a box's mask (28,28) at the pixel centres of a window, half-pixel centres."""
    size = mask.shape[0]
    y = (_centres(window[0]) - box[1]) / max(box[3] - box[1], np.float32(1e-3))
    x = (_centres(window[1]) - box[0]) / max(box[2] - box[0], np.float32(1e-3))
    half = np.float32(0.5)
    return _separable(mask, y * size - half, x * size - half)


def upsample_window(plane: Float, window: tuple[slice, slice]) -> Float:
    """Bilinear samples of a quarter-resolution plane at the full-resolution pixels of a window."""
    stride, half = np.float32(STRIDE), np.float32(0.5)
    return _separable(plane, _centres(window[0]) / stride - half, _centres(window[1]) / stride - half)


def _centres(pixels: slice) -> Float:
    return np.arange(pixels.start, pixels.stop, dtype=np.float32) + np.float32(0.5)


def _separable(plane: Float, y: Float, x: Float) -> Float:
    """Bilinear samples at the grid of rows y and columns x, edges repeated."""
    y, x = np.clip(y, 0, plane.shape[0] - 1), np.clip(x, 0, plane.shape[1] - 1)
    y0, x0 = (
        np.minimum(v.astype(np.intp), n - 2) if n > 1 else v.astype(np.intp)
        for v, n in ((y, plane.shape[0]), (x, plane.shape[1]))
    )
    y1, x1 = np.minimum(y0 + 1, plane.shape[0] - 1), np.minimum(x0 + 1, plane.shape[1] - 1)
    wy, wx = (y - y0).astype(np.float32)[:, None], (x - x0).astype(np.float32)
    low, first = int(y0[0]), int(x0[0])
    part = plane[low : int(y1[-1]) + 1, first : int(x1[-1]) + 1]
    rows = part[y0 - low] * (1 - wy) + part[y1 - low] * wy
    out: Float = rows[:, x0 - first] * (1 - wx) + rows[:, x1 - first] * wx
    return out


def sigmoid(x: Float) -> Float:
    """1 / (1 + exp(-x)), without overflow."""
    half: Float = np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1))
    return half


def _visible(detections: Detections, index: NDArray[np.int32], limits: Thresholds, inner: tuple[int, int]) -> Fused:
    """Drop instances of which too little is visible, or nothing in the image, and renumber the rest."""
    padding = np.concatenate((index[inner[0] :].ravel(), index[: inner[0], inner[1] :].ravel()))
    areas, outside = (np.bincount(part, minlength=len(detections) + 1)[1:] for part in (index.ravel(), padding))
    keep = np.flatnonzero((areas >= max(limits.min_area, 1)) & (areas > outside))
    if len(keep) < len(detections):
        table = np.zeros(len(detections) + 1, np.int32)
        table[keep + 1] = np.arange(1, len(keep) + 1)
        index = table[index]
        detections = detections.take(keep)
    return _collect(detections, index, len(detections))


def _collect(detections: Detections, index: NDArray[np.int32], count: int) -> Fused:
    height, width = index.shape
    masks8 = np.zeros((count, 1, height // COARSE, width // COARSE), np.float32)
    boxes = np.zeros((count, 4), np.float32)
    for row in range(count):
        window = pixel_window(detections.boxes[row], height, width)
        mask = index[window] == row + 1
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        y, x = window[0].start, window[1].start
        boxes[row] = x + xs[0], y + ys[0], x + xs[-1] + 1, y + ys[-1] + 1
        y1, x1 = y // COARSE, x // COARSE
        y2, x2 = -(-window[0].stop // COARSE), -(-window[1].stop // COARSE)
        block = (index[y1 * COARSE : y2 * COARSE, x1 * COARSE : x2 * COARSE] == row + 1).astype(np.float32)
        masks8[row, 0, y1:y2, x1:x2] = cv2.resize(block, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    return Fused(detections, index, masks8, boxes)
