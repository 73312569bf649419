"""Tiny datasets on disk: a KITTI-STEP folder and a CamVid folder."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.panoptic import write_step

SIZE = (96, 320)


@pytest.fixture
def step_root(tmp_path: Path) -> Path:
    """Two sequences of five frames: two cars with ids, one pixel-coded image whose red tells the frame."""
    return write_step_dataset(tmp_path / "step", sequences=2, frames=5)


@pytest.fixture
def camvid_root(tmp_path: Path) -> Path:
    """Three stills: a car, two merged cars, a person, sky above road."""
    return write_camvid(tmp_path / "camvid")


@pytest.fixture
def make_step() -> Callable[..., Path]:
    """The dataset writer."""
    return write_step_dataset


def scene(frame: int, sequence: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32]]:
    """Image, semantic and instance maps of one frame; ids 300 and 7 move, a crowd of people stands."""
    height = SIZE[0]
    semantic = np.zeros(SIZE, np.uint8)
    semantic[: height // 2] = 10
    instance = np.zeros(SIZE, np.int32)
    image = np.full((*SIZE, 3), 90, np.uint8)
    image[: height // 2] = (120, 160, 220)
    for identity, left in ((300, 40 + 12 * frame), (7, 200 - 8 * frame)):
        window = np.s_[50:80, left : left + 50]
        semantic[window], instance[window], image[window] = 13, identity, (200 if identity == 7 else 30, 40, 40)
    semantic[45:70, 280:300] = 11
    image[:, :, 1] += np.uint8(sequence)
    return image, semantic, instance


def write_step_dataset(root: Path, sequences: int, frames: int) -> Path:
    """Write `scene` frames in KITTI-STEP's layout."""
    for s in range(sequences):
        images = root / "training" / "image_02" / f"{s:04d}"
        images.mkdir(parents=True)
        for f in range(frames):
            image, semantic, instance = scene(f, s)
            assert cv2.imwrite(str(images / f"{f:06d}.png"), image[..., ::-1])
            write_step(root / "panoptic_maps" / "train" / f"{s:04d}" / f"{f:06d}.png", semantic, instance)
    return root


def write_camvid(root: Path) -> Path:
    """Write three stills 120x160 in CamVid's layout."""
    for folder in ("images", "labels"):
        (root / "train" / folder).mkdir(parents=True)
    for i in range(3):
        label = np.full((120, 160), 3, np.uint8)
        label[:50] = 0
        label[60:80, 20:48] = 8  # one car
        label[55:75, 100:120] = label[62:80, 120:158] = 8  # two cars that touch
        label[50:85, 60:72] = 9  # a person
        image = np.random.default_rng(i).integers(0, 255, (120, 160, 3), np.uint8)
        assert cv2.imwrite(str(root / "train" / "labels" / f"{i:03d}.png"), label)
        assert cv2.imwrite(str(root / "train" / "images" / f"{i:03d}.jpg"), image)
    return root
