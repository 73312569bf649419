"""Panoptic fusion (paper Eq. 8), inside the detections' boxes only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.contract import Thresholds
from mapt.runtime.perception.sigmoid import sigmoid
from mapt.runtime.perception.workspace import Workspace

Float = NDArray[np.float32]
Window = tuple[slice, slice]  # rows and columns
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
        rows: (D,) int32, their slots in the instance head's outputs.
    """

    boxes: Float
    scores: Float
    classes: NDArray[np.int32]
    mask_logits: Float
    rows: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of detections."""
        return len(self.scores)

    def take(self, kept: NDArray[np.intp] | slice) -> Detections:
        """Return some of the detections, as views if `kept` is a slice."""
        return Detections(
            self.boxes[kept],
            self.scores[kept],
            self.classes[kept],
            self.mask_logits[kept],
            self.rows[kept],
        )

    def first(self, count: int, score: float = 0.0) -> tuple[Detections, int]:
        """The first `count` of them, and how many of the others reach `score`."""
        if len(self) <= count:
            return self, 0
        dropped = int((self.scores[count:] >= score).sum())
        return self.take(slice(count)), dropped


@dataclass(frozen=True)
class Fused:
    """The detections that remain visible after the fusion.

    `index` lies in the workspace that `fuse` was given, until it is used again.

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

    def hide(self, i: int) -> None:
        """Give the pixels of instance i back to what is behind all instances."""
        x1, y1, x2, y2 = self.boxes[i].astype(np.intp).tolist()
        window = self.index[y1:y2, x1:x2]
        window[window == i + 1] = 0

    def windows(self) -> NDArray[np.intp]:
        """Return the cells (n,4) y1, x1, y2, x2 of `masks8` that the boxes touch.

        No part of a mask lies outside these cells.
        """
        low = np.floor(self.boxes[:, :2] / COARSE)
        high = np.ceil(self.boxes[:, 2:] / COARSE)
        return np.concatenate((low[:, ::-1], high[:, ::-1]), 1).astype(np.intp)


def fuse(
    detections: Detections,
    margins: Float,
    things: tuple[int, ...],
    thresholds: Thresholds,
    inner: tuple[int, int] | None = None,
    workspace: Workspace | None = None,
) -> Fused:
    """Decide which pixel belongs to which detection.

    In each box the detection's mask logits A and its class's semantic logits B give FL =
    (sigmoid(A) + sigmoid(B)) * (A + B) (Eq. 8). B is the margin over the best stuff class of the
    cell, so that FL's sign compares the instance with the stuff behind it; a pixel goes to the
    instance of the highest FL where that is positive. B adds at most `semantic_limit`, because a
    sure class does not say to which of two cars a pixel belongs.

    Args:
        detections: in falling order of score.
        margins: (T,H/4,W/4) float32, the logits of `things` minus the best stuff logit.
        things: train ids of the classes with instances.
        thresholds: thresholds of score, semantic logits, overlap and area.
        inner: rows and columns of the input that the image fills; what is seen nowhere in it is
            dropped. None: all.
        workspace: memory that is used again; None: new.

    Returns:
        The surviving instances, in the detections' order.
    """
    workspace = workspace or Workspace()
    size = margins.shape[1] * STRIDE, margins.shape[2] * STRIDE
    index = workspace.take("index", size, np.int32)
    best = workspace.take("best", size)
    index.fill(0)
    best.fill(0)
    planes = dict(zip(things, margins, strict=True))
    windows: dict[int, Window] = {}
    for row in np.flatnonzero(detections.scores >= thresholds.score).tolist():
        window = pixel_window(detections.boxes[row], *size)
        plane = planes[int(detections.classes[row])]
        level = _fused_logits(detections, row, window, plane, thresholds.semantic_limit, workspace)
        if _claim(level, index[window], best[window], len(windows) + 1, thresholds, workspace):
            windows[row] = window
    return _visible(detections, windows, index, thresholds, inner or size, workspace)


def pixel_window(box: Float, height: int, width: int) -> Window:
    """The pixels (rows, columns) whose centres lie in a box (4,) xyxy, at least one."""
    x1, y1, x2, y2 = (math.ceil(v - 0.5) for v in box.tolist())
    x1 = min(max(x1, 0), width - 1)
    y1 = min(max(y1, 0), height - 1)
    return slice(y1, min(max(y2, y1 + 1), height)), slice(x1, min(max(x2, x1 + 1), width))


def _claim(
    level: Float,
    index: NDArray[np.int32],
    best: Float,
    number: int,
    thresholds: Thresholds,
    workspace: Workspace,
) -> bool:
    """Give instance `number` the pixels of its window where its FL is the highest.

    It gets them only if a large enough part of it is free.
    """
    inside = np.greater(level, 0, out=workspace.take("inside", level.shape, np.bool_))
    area = np.count_nonzero(inside)
    free = np.equal(index, 0, out=workspace.take("free", level.shape, np.bool_))
    if (
        area < thresholds.min_area
        or np.count_nonzero(np.logical_and(free, inside, out=free)) < thresholds.overlap * area
    ):
        return False
    wins = np.greater(level, best, out=inside)
    np.copyto(index, number, where=wins)
    np.copyto(best, level, where=wins)
    return True


def _fused_logits(
    detections: Detections,
    row: int,
    window: Window,
    margin: Float,
    limit: float,
    workspace: Workspace,
) -> Float:
    """Compute the fused logits FL of one detection over its window."""
    instance = paste(detections.mask_logits[row], detections.boxes[row], window, workspace)
    semantic = upsample_window(margin, window, workspace)
    np.minimum(semantic, np.float32(limit), out=semantic)
    level = sigmoid(instance, workspace.take("level", instance.shape), workspace)
    level += sigmoid(semantic, workspace.take("scratch", instance.shape), workspace)
    instance += semantic
    level *= instance
    return level


def paste(mask: Float, box: Float, window: Window, workspace: Workspace | None = None) -> Float:
    """Sample a box's mask (28,28) bilinearly at the pixel centres of a window.

    Centres lie at half pixels.
    """
    size = mask.shape[0]
    half = np.float32(0.5)
    y = (_centres(window[0]) - box[1]) / max(box[3] - box[1], np.float32(1e-3))
    x = (_centres(window[1]) - box[0]) / max(box[2] - box[0], np.float32(1e-3))
    rows = _taps(y * size - half, size)
    columns = _taps(x * size - half, mask.shape[1])
    return _separable(
        mask[rows.cells, columns.cells], rows, columns, "instance", workspace or Workspace()
    )


def upsample_window(plane: Float, window: Window, workspace: Workspace | None = None) -> Float:
    """Sample a quarter-resolution plane bilinearly at the full-resolution pixels of a window."""
    stride = np.float32(STRIDE)
    half = np.float32(0.5)
    rows, columns = (
        _taps(_centres(w) / stride - half, n) for w, n in zip(window, plane.shape, strict=True)
    )
    part = plane[rows.cells, columns.cells]
    return _separable(part, rows, columns, "semantic", workspace or Workspace())


def _centres(pixels: slice) -> Float:
    return np.arange(pixels.start, pixels.stop, dtype=np.float32) + np.float32(0.5)


@dataclass(frozen=True)
class _Taps:
    """The places of n samples along an axis.

    Cell `second` has the weight `weight` (n,), and cell `first` has the rest. Both count in
    `cells`.
    """

    cells: slice
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    weight: Float


def _taps(places: Float, size: int) -> _Taps:
    """Compute the taps of increasing positions on an axis of `size` cells.

    Cells at the edges are repeated.
    """
    places = np.minimum(np.maximum(places, np.float32(0)), np.float32(size - 1))
    first = places.astype(np.intp)
    first = np.minimum(first, size - 2) if size > 1 else first
    second = np.minimum(first + 1, size - 1)
    low = int(first[0])
    return _Taps(
        slice(low, int(second[-1]) + 1),
        first - low,
        second - low,
        (places - first).astype(np.float32),
    )


def _separable(part: Float, rows: _Taps, columns: _Taps, name: str, workspace: Workspace) -> Float:
    """Sample the cells under a grid of rows and columns bilinearly.

    The result is the workspace's array `name`.
    """
    shape = (len(rows.first), len(columns.first))
    narrow = (len(rows.first), part.shape[1])
    lines = _mixed(
        part, rows, 0, workspace.take("lines", narrow), workspace.take("scratch", narrow)
    )
    return _mixed(lines, columns, 1, workspace.take(name, shape), workspace.take("scratch", shape))


def _mixed(cells: Float, taps: _Taps, axis: int, out: Float, scratch: Float) -> Float:
    """(1 - weight) * first + weight * second along an axis."""
    weight = taps.weight[:, None] if axis == 0 else taps.weight
    np.take(cells, taps.first, axis, out=out, mode="clip")  # "raise" would buffer the result
    np.take(cells, taps.second, axis, out=scratch, mode="clip")
    out *= 1 - weight
    scratch *= weight
    out += scratch
    return out


def _visible(
    detections: Detections,
    windows: dict[int, Window],
    index: NDArray[np.int32],
    thresholds: Thresholds,
    inner: tuple[int, int],
    workspace: Workspace,
) -> Fused:
    """Drop instances that are hardly visible, and renumber the rest.

    An instance is also dropped if nothing of it lies in the image.
    """
    kept: dict[int, Window] = {}
    for number, (row, window) in enumerate(windows.items(), 1):
        mask = _mask(index[window], number, workspace)
        height, width = (
            max(0, end - pixels.start) for end, pixels in zip(inner, window, strict=True)
        )
        if np.count_nonzero(mask) >= max(thresholds.min_area, 1) and mask[:height, :width].any():
            kept[row] = window
            if len(kept) < number:
                np.copyto(index[window], len(kept), where=mask)
        else:
            np.copyto(index[window], 0, where=mask)
    if len(kept) < len(detections):
        detections = detections.take(np.array(list(kept), np.intp))
    return _collect(detections, list(kept.values()), index, workspace)


def _mask(index: NDArray[np.int32], number: int, workspace: Workspace) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = np.equal(
        index, number, out=workspace.take("inside", index.shape, np.bool_)
    )
    return mask


def _collect(
    detections: Detections, windows: list[Window], index: NDArray[np.int32], workspace: Workspace
) -> Fused:
    """Boxes and masks of the instances, whose masks lie inside their windows."""
    height, width = index.shape
    count = len(windows)
    masks8 = np.zeros((count, 1, height // COARSE, width // COARSE), np.float32)
    boxes = np.zeros((count, 4), np.float32)
    for row, window in enumerate(windows):
        mask = _mask(index[window], row + 1, workspace)
        ys = np.flatnonzero(mask.any(1))
        xs = np.flatnonzero(mask.any(0))
        y = window[0].start
        x = window[1].start
        boxes[row] = x + xs[0], y + ys[0], x + xs[-1] + 1, y + ys[-1] + 1
        y1 = y // COARSE
        x1 = x // COARSE
        y2 = -(-window[0].stop // COARSE)
        x2 = -(-window[1].stop // COARSE)
        pixels = index[y1 * COARSE : y2 * COARSE, x1 * COARSE : x2 * COARSE]
        block = np.equal(pixels, row + 1, out=workspace.take("level", pixels.shape))
        cv2.resize(
            block, (x2 - x1, y2 - y1), masks8[row, 0, y1:y2, x1:x2], interpolation=cv2.INTER_AREA
        )
    return Fused(detections, index, masks8, boxes)
