"""Small moving-rectangle scenes with exact targets."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mapt.model.targets import FrameTargets, PairBatch


@pytest.fixture
def moving_rectangles() -> Callable[..., PairBatch]:
    """The scene builder."""
    return moving_scenes


def moving_scenes(
    batch: int, height: int, width: int, objects: int = 4, seed: int = 0
) -> PairBatch:
    """Draw a batch of three-frame scenes.

    Coloured rectangles move over a textured background of two classes.
    """
    rng = np.random.default_rng(seed)
    images: list[list[torch.Tensor]] = [[], [], []]
    targets: list[list[FrameTargets]] = [[], [], []]
    for _ in range(batch):
        background = (
            rng.integers(60, 200, (height // 8, width // 8, 3))
            .astype(np.uint8)
            .repeat(8, 0)
            .repeat(8, 1)
        )
        size = rng.uniform(14, 40, (objects, 2))
        start = rng.uniform([0, 0], [width - 40, height - 40], (objects, 2))
        speed = rng.uniform(-5, 5, (objects, 2))
        colour = rng.integers(0, 255, (objects, 3))
        labels = rng.choice([11, 13], objects)
        for k in range(3):
            image = background.copy()
            index = np.zeros((height, width), np.uint8)
            semantic = np.zeros((height, width), np.uint8)
            semantic[: height // 2] = 2
            for i in range(objects):
                x1, y1 = np.maximum(np.round(start[i] + speed[i] * k), 0).astype(int)
                x2 = x1 + int(size[i, 0])
                y2 = y1 + int(size[i, 1])
                image[y1:y2, x1:x2] = colour[i]
                semantic[y1:y2, x1:x2] = labels[i]
                index[y1:y2, x1:x2] = i + 1
            images[k].append(torch.from_numpy(image))
            targets[k].append(_targets(semantic, index, labels))
    names = [f"scene {i}" for i in range(batch)]
    before, prev, now = (torch.stack(frames) for frames in images)
    return PairBatch(before, prev, now, targets[1], targets[2], names, list(range(batch)))


def _targets(semantic: np.ndarray, index: np.ndarray, labels: np.ndarray) -> FrameTargets:
    """Tight boxes of what is visible; fully hidden objects have no row."""
    seen = [i for i in range(1, int(index.max()) + 1) if (index == i).any()]
    boxes = []
    rows = np.zeros_like(index)
    for row, i in enumerate(seen):
        y, x = np.nonzero(index == i)
        boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
        rows[index == i] = row + 1
    return FrameTargets(
        torch.from_numpy(semantic),
        torch.from_numpy(rows),
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor([int(labels[i - 1]) for i in seen], dtype=torch.long),
        torch.tensor(seen, dtype=torch.long),
        torch.zeros(0, 4),
    )
