"""Exports as labelling tools unpack them: the texts of `exports`, and images 40x60 beside them."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

EXPORTS = Path(__file__).parent / "exports"
SIZE = (40, 60)


def write_image(path: Path) -> None:
    """A grey image that differs from pixel to pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(90, 160, (*SIZE, 3), np.uint8)
    assert cv2.imwrite(str(path), image)


def write_coco(root: Path) -> Path:
    """Three frames, as CVAT exports COCO: the JSON in `annotations`, the images in `images`."""
    for number in range(3):
        write_image(root / "images" / "default" / f"frame_{number:06d}.png")
    (root / "annotations").mkdir()
    shutil.copy(EXPORTS / "coco" / "instances_default.json", root / "annotations")
    return root / "annotations" / "instances_default.json"


def write_cvat(root: Path, kind: str) -> Path:
    """`images`: two stills; `video`: three frames with two tracks."""
    names = (
        ["aisle/a.png", "aisle/b.png"]
        if kind == "images"
        else [f"frame_{n:06d}.PNG" for n in range(3)]
    )
    for name in names:
        write_image(root / "images" / name)
    shutil.copy(EXPORTS / f"cvat_{kind}" / "annotations.xml", root)
    return root / "annotations.xml"


def write_yolo(root: Path) -> Path:
    """Two stills for training, of which one has no object, as Roboflow exports them."""
    for name in ("a", "b"):
        write_image(root / "train" / "images" / f"{name}.jpg")
    (root / "train" / "labels").mkdir()
    shutil.copy(EXPORTS / "yolo" / "a.txt", root / "train" / "labels")
    shutil.copy(EXPORTS / "yolo" / "data.yaml", root)
    return root / "data.yaml"


@pytest.fixture
def coco_file(tmp_path: Path) -> Path:
    """The JSON of `write_coco`."""
    return write_coco(tmp_path / "coco")


@pytest.fixture
def yolo_file(tmp_path: Path) -> Path:
    """The YAML of `write_yolo`."""
    return write_yolo(tmp_path / "yolo")
