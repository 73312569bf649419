"""Panoptic fusion against a loop over every pixel of the frame and every detection."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.contract import Thresholds
from mapt.runtime.perception.fusion import (
    Detections,
    Fused,
    fuse,
    paste,
    pixel_window,
    upsample_window,
)

STUFF = (0, 1)
THINGS = (3, 2)  # in any order
CLASSES = 4


def sample(plane: NDArray[np.float32], y: float, x: float) -> float:
    """Bilinear, edges repeated, in double precision."""
    y = min(max(y, 0), plane.shape[0] - 1)
    x = min(max(x, 0), plane.shape[1] - 1)
    y0 = math.floor(y)
    x0 = math.floor(x)
    y1 = min(y0 + 1, plane.shape[0] - 1)
    x1 = min(x0 + 1, plane.shape[1] - 1)
    upper = float(plane[y0, x0]) * (1 - x + x0) + float(plane[y0, x1]) * (x - x0)
    lower = float(plane[y1, x0]) * (1 - x + x0) + float(plane[y1, x1]) * (x - x0)
    return upper * (1 - y + y0) + lower * (y - y0)


def slow_level(
    found: Detections, row: int, logits: NDArray[np.float32], limit: float
) -> NDArray[np.float64]:
    """FL (Eq. 8) of one detection at every pixel of the frame; minus infinity outside its box."""
    x1, y1, x2, y2 = (float(v) for v in found.boxes[row])
    own = logits[found.classes[row]] - logits[list(STUFF)].max(0)
    out = np.full((logits.shape[1] * 4, logits.shape[2] * 4), -np.inf)
    for py, px in np.ndindex(out.shape):
        y = py + 0.5
        x = px + 0.5
        if y1 <= y < y2 and x1 <= x < x2:
            a = sample(
                found.mask_logits[row],
                (y - y1) / (y2 - y1) * 28 - 0.5,
                (x - x1) / (x2 - x1) * 28 - 0.5,
            )
            b = min(sample(own, y / 4 - 0.5, x / 4 - 0.5), limit)
            out[py, px] = (1 / (1 + math.exp(-a)) + 1 / (1 + math.exp(-b))) * (a + b)
    return out


def slow_fuse(
    found: Detections, logits: NDArray[np.float32], thresholds: Thresholds
) -> list[tuple[int, NDArray[np.bool_]]]:
    """The surviving rows with their visible masks."""
    levels = np.array(
        [slow_level(found, row, logits, thresholds.semantic_limit) for row in range(len(found))]
    )
    kept: list[int] = []
    for row, level in enumerate(levels):
        taken = (levels[kept] > 0).any(0)
        area = (level > 0).sum()
        free = ((level > 0) & ~taken).sum()
        if (
            found.scores[row] >= thresholds.score
            and area >= thresholds.min_area
            and free >= thresholds.overlap * area
        ):
            kept.append(row)
    owner = np.where(levels[kept].max(0) > 0, levels[kept].argmax(0), -1) if kept else np.zeros(0)
    masks = [(row, owner == i) for i, row in enumerate(kept)]
    return [(row, mask) for row, mask in masks if mask.sum() >= thresholds.min_area]


def random_scene(
    seed: int, height: int, width: int, count: int
) -> tuple[Detections, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform([-4, -4], [width - 6, height - 6], (count, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(8, 44, (count, 2))), 1).clip(
        0, [width, height] * 2
    )
    masks = rng.normal(1, 3, (count, 28, 28)).astype(np.float32)
    logits = rng.normal(0, 2, (CLASSES, height // 4, width // 4)).astype(np.float32)
    scores = np.sort(rng.uniform(0.4, 1, count).astype(np.float32))[::-1]
    classes = rng.integers(2, 4, count, np.int32)
    rows = np.arange(count, dtype=np.int32)
    return Detections(boxes.astype(np.float32), scores, classes, masks, rows), logits


def fused(found: Detections, logits: NDArray[np.float32], thresholds: Thresholds) -> Fused:
    margins = logits[list(THINGS)] - logits[list(STUFF)].max(0)
    return fuse(found, margins, THINGS, thresholds)


@pytest.mark.parametrize(("height", "width", "count"), [(40, 56, 6), (8, 24, 3), (72, 40, 9)])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_loop_over_the_whole_frame(
    seed: int, height: int, width: int, count: int
) -> None:
    found, logits = random_scene(seed, height, width, count)
    thresholds = Thresholds(
        min_area=(1, 16, 32, 60)[seed],
        overlap=(0.5, 0.6, 0.7, 0.0)[seed],
        semantic_limit=(1000.0, 1.0, 0.0, 3.0)[seed],
    )
    got = fused(found, logits, thresholds)
    want = slow_fuse(found, logits, thresholds)
    assert got.detections.scores.tolist() == [found.scores[row] for row, _ in want]
    assert got.detections.rows.tolist() == [row for row, _ in want]
    assert got.index.dtype == np.int32 and got.masks8.dtype == got.boxes.dtype == np.float32
    assert (got.index > 0).sum() == sum(mask.sum() for _, mask in want)
    for i, (_, mask) in enumerate(want):
        np.testing.assert_array_equal(got.index == i + 1, mask)
        np.testing.assert_array_equal(
            got.masks8[i, 0], mask.reshape(height // 8, 8, width // 8, 8).mean((1, 3))
        )
        y, x = np.nonzero(mask)
        assert got.boxes[i].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]


def test_the_random_scenes_overlap_and_lose_detections() -> None:
    """Otherwise the comparison above would prove little."""
    found, logits = random_scene(2, 72, 40, 9)
    levels = np.array([slow_level(found, row, logits, 1.0) for row in range(9)])
    assert ((levels > 0).sum(0) > 1).any()
    assert (
        1
        < len(fused(found, logits, Thresholds(min_area=32, overlap=0.7)).detections)
        < (found.scores > 0.5).sum()
    )


def test_a_window_is_the_cut_out_of_the_whole_frame() -> None:
    found, logits = random_scene(5, 40, 56, 4)
    frame = (slice(0, 40), slice(0, 56))
    for mask, box in zip(found.mask_logits, found.boxes, strict=True):
        window = pixel_window(box, 40, 56)
        np.testing.assert_array_equal(
            upsample_window(logits[2], window), upsample_window(logits[2], frame)[window]
        )
        np.testing.assert_allclose(
            paste(mask, box, window), paste(mask, box, frame)[window], atol=1e-5
        )
