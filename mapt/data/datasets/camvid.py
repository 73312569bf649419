"""Reads CamVid in Cityscapes' classes, and finds single objects among its components."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.registry import Dataset
from mapt.data.static_images import Stills, pair_files
from mapt.errors import InputError
from mapt.io.listing import IMAGES, by_frame, frame_key, list_files
from mapt.labels.gray_png import read_grey
from mapt.labels.step_png import Instance, Semantic

# Cityscapes' classes of sky, building, pole, road, pavement, tree, sign, fence, car, pedestrian,
# bicyclist and unlabelled.
TRAIN_IDS = np.full(256, 255, np.uint8)
CLASSES = 12
INSTANCES = "instances"
TRAIN_IDS[:CLASSES] = (10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12, 255)
CAR = 13
PERSON = 11
MIN_PIXELS = 40
# These limits keep single objects and refuse merged ones. They were chosen by inspecting the
# components of fifty stills.
SOLIDITY = {CAR: 0.86, PERSON: 0.6}  # share of the convex hull that is filled
ASPECT = {CAR: (0.74, 2.4), PERSON: (0.18, 0.72)}  # width / height
# Depth of a dent in the upper outline, per square root of the area. A deeper one is the gap between
# two roofs.
NOTCH = 0.12
# Share of the still. A larger wide car that touches the border is often a row of parked cars.
LARGE = 0.045


def open_camvid(root: Path, split: str = "train", bad: BadFiles | None = None) -> Stills:
    """Open CamVid's stills in `<split>/images` and `<split>/labels`.

    Args:
        root: the dataset's folder.
        split: the folder of a split.
        bad: decides what happens to bad files; by default they raise.

    Raises:
        InputError: there is no label, or a label has no image and is not skipped.
    """
    bad = bad or BadFiles()
    folder = root / split
    labels = list_files(folder / "labels", ".png")
    if not labels:
        raise InputError(
            f"{folder}: no labels/*.png; give the folder that holds CamVid's {split}/images and"
            " labels"
        )
    pictures = by_frame(list_files(folder / "images", *IMAGES))
    images = [pictures.get(frame_key(p)) for p in labels]
    return Stills(pair_files(folder / "images", labels, images, bad), read_camvid, bad)


def read_camvid(path: Path) -> tuple[Semantic, Instance]:
    """Read a label with its instances.

    These come from the file of the same name in `instances`, beside the folder of the labels
    (`mapt.bench.divide_crowds` writes it). Without one, they are the components that look like one
    object.

    Returns:
        Cityscapes train ids (H,W) uint8 and instance ids (H,W) int32.

    Raises:
        InputError: the file is not a grey 8-bit PNG, or has a value above 11; the file of instances
            is not a grey 16-bit PNG, or has another size.
    """
    semantic = TRAIN_IDS[read_label(path)]
    divided = path.parent.parent / INSTANCES / path.name
    if not divided.is_file():
        return semantic, instances_from_components(semantic)
    instance = read_grey(divided, 16)
    if instance.shape != semantic.shape:
        raise InputError(
            f"{divided}: is {instance.shape}, its label {semantic.shape}; divide the crowds again"
        )
    return semantic, instance.astype(np.int32)


def read_label(path: Path) -> NDArray[np.int64]:
    """Read a label, CamVid's classes (H,W) int64, which `TRAIN_IDS` translates.

    Raises:
        InputError: the file is not a grey 8-bit PNG, or has a value above 11.
    """
    label = read_grey(path, 8)
    if label.max() >= CLASSES:
        raise InputError(
            f"{path}: has label {int(label.max())}, CamVid's are 0..{CLASSES - 1}; convert it"
        )
    return label


def instances_from_components(semantic: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Number the connected components of cars and people.

    Objects that touch form one component. A component that does not look like one object therefore
    keeps id 0, which marks a crowd.

    Args:
        semantic: Cityscapes train ids (H,W) uint8.

    Returns:
        Instance ids (H,W) int32.
    """
    instance = np.zeros(semantic.shape, np.int32)
    next_id = 1
    for train_id in (CAR, PERSON):
        same = (semantic == train_id).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(same, connectivity=4)
        for part in range(1, count):
            x, y, width, height, area = (int(v) for v in stats[part])
            window = np.s_[y : y + height, x : x + width]
            cut = x == 0 or x + width == semantic.shape[1]
            row_of_cars = (
                train_id == CAR and cut and area > LARGE * semantic.size and width > 1.2 * height
            )
            if (
                area >= MIN_PIXELS
                and not row_of_cars
                and _is_one_object(train_id, parts[window] == part)
            ):
                instance[window][parts[window] == part] = next_id
                next_id += 1
    return instance


def _is_one_object(train_id: int, mask: NDArray[np.bool_]) -> bool:
    """Tell whether a tight mask (h,w) has the aspect and the outline of one car or person."""
    height, width = mask.shape
    low, high = ASPECT[train_id]
    if not low < width / height < high:
        return False
    area = int(mask.sum())
    pixels = np.argwhere(mask)[:, ::-1]
    corners = np.concatenate(
        [pixels + corner for corner in ((0, 0), (1, 0), (0, 1), (1, 1))]
    ).astype(np.float32)
    if area / cv2.contourArea(cv2.convexHull(corners)) < SOLIDITY[train_id]:
        return False
    return train_id != CAR or _notch(mask) < NOTCH * area**0.5


def _notch(mask: NDArray[np.bool_]) -> float:
    """Return the depth in pixels of the outline's deepest dent that opens upwards."""
    outlines, _ = cv2.findContours(
        np.pad(mask, 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    points = np.asarray(outlines[0]).reshape(-1, 2)
    defects = np.asarray(
        cv2.convexityDefects(outlines[0], cv2.convexHull(outlines[0], returnPoints=False))
    )
    if not defects.ndim:  # OpenCV's None: the outline is convex
        return 0.0
    start, end, far, depth = defects.reshape(-1, 4).T
    opens_upwards = points[far, 1] > (points[start, 1] + points[end, 1]) / 2
    return float((depth * opens_upwards).max()) / 256  # OpenCV's fixed point


def _open(root: Path, split: str, _: tuple[int, ...], bad: BadFiles) -> Stills:
    return open_camvid(root, split, bad)


DATASETS = (
    Dataset("camvid", "CamVid (research use only)", _open, heights=(360.0, 600.0), place=4),
)
