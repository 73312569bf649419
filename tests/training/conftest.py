"""A run small enough for a test: nano at 64x128 on a tiny KITTI-STEP folder."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.labels.step_png import write_step
from mapt.training.config import TrainConfig, read_config

CONFIG = """
imagenet = false
threads = 1
log_every = 1
checkpoint_every = 2
[model]
preset = "nano"
height = 64
width = 128
[data]
workers = 0
[data.step]
root = "{root}"
heights = [64, 100]
[schedule]
iterations = 4
batch = 1
warmup = 2
rate = 0.001
"""


@pytest.fixture
def step_folder(tmp_path: Path) -> Path:
    """One sequence of four frames: a road, a sky, two moving cars."""
    root = tmp_path / "step"
    images = root / "training" / "image_02" / "0000"
    images.mkdir(parents=True)
    texture = np.random.default_rng(0).integers(60, 200, (80, 200, 3), np.uint8)
    for frame in range(4):
        semantic = np.zeros((80, 200), np.uint8)
        instance = np.zeros((80, 200), np.int32)
        image = texture.copy()
        semantic[:30] = 10
        image[:30] = 230
        for identity, left in ((1, 20 + 6 * frame), (2, 130 - 4 * frame)):
            window = np.s_[30:60, left : left + 45]
            semantic[window] = 13
            instance[window] = identity
            image[window] = (40 * identity, 30, 90)
        assert cv2.imwrite(str(images / f"{frame:06d}.png"), image)
        write_step(
            root / "panoptic_maps" / "train" / "0000" / f"{frame:06d}.png", semantic, instance
        )
    return root


@pytest.fixture
def config_file(tmp_path: Path, step_folder: Path) -> Path:
    """The run's configuration on disk."""
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG.format(root=step_folder))
    return path


@pytest.fixture
def tiny(config_file: Path) -> Callable[..., TrainConfig]:
    """The run's configuration with `key=value` changes."""
    return lambda *changes: read_config(config_file, list(changes))
