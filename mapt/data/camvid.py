"""CamVid's stills as moving triplets: real pixels for every head, with a motion that is known because it is made."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.data.triplet import Triplet
from mapt.errors import InputError
from mapt.frames import read_rgb

Pixel = TypeVar("Pixel", np.uint8, np.int16)

# sky, building, pole, road, pavement, tree, sign, fence, car, pedestrian, bicyclist, unlabelled -> Cityscapes.
TRAIN_IDS = np.full(256, 255, np.uint8)
CLASSES = 12
TRAIN_IDS[:CLASSES] = (10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12, 255)
CAR, PERSON = 13, 11
MIN_PIXELS = 40
# Limits that keep single objects and refuse merged ones, found by looking at the components of fifty stills.
SOLIDITY = {CAR: 0.86, PERSON: 0.6}  # share of the convex hull that is filled
ASPECT = {CAR: (0.74, 2.4), PERSON: (0.18, 0.72)}  # width / height
NOTCH = 0.12  # deepest dent from above, per square root of the area: the gap between two roofs
LARGE = 0.045  # share of the still; a wide car this large at the border is often a row of parked ones


class CamVid:
    """A folder with `images` and `labels`; `read` warps a still into three frames of an approaching camera."""

    def __init__(self, root: Path, split: str = "train") -> None:
        folder = root / split
        self.labels = sorted((folder / "labels").glob("*.png"))
        self.images = [next(iter(sorted((folder / "images").glob(f"{p.stem}.*"))), None) for p in self.labels]
        if not self.labels:
            raise InputError(
                f"{folder}: no labels/*.png; give the folder that holds CamVid's {split}/images and labels"
            )
        missing = next((str(p) for p, i in zip(self.labels, self.images, strict=True) if i is None), None)
        if missing:
            raise InputError(f"{missing}: this label has no image; copy it into {folder / 'images'}")

    def __len__(self) -> int:
        """Labelled stills."""
        return len(self.labels)

    def read(self, index: int, rng: np.random.Generator, static: bool = False) -> Triplet:
        """See `Source.read`."""
        path = self.images[index]
        assert path is not None
        image = read_rgb(path)
        label = cv2.imread(str(self.labels[index]), cv2.IMREAD_UNCHANGED)
        if label is None or label.ndim != 2 or label.shape != image.shape[:2]:
            raise InputError(
                f"{self.labels[index]}: is not a grey label of its image's size {image.shape[:2]}; replace it"
            )
        if label.max() >= CLASSES:
            raise InputError(
                f"{self.labels[index]}: has label {int(label.max())}, CamVid's are 0..{CLASSES - 1}; convert it"
            )
        semantic = TRAIN_IDS[label]
        instance = instances_from_components(semantic)
        moves = ego_motions(rng, semantic.shape[0], semantic.shape[1])
        if static:
            moves[0] = moves[1]
        images = tuple(warp(image, m, cv2.INTER_LINEAR, 0) for m in moves)
        semantics = [warp(semantic, m, cv2.INTER_NEAREST, 255) for m in moves[1:]]
        ids = [warp(instance.astype(np.int16), m, cv2.INTER_NEAREST, 0).astype(np.int32) for m in moves[1:]]
        return Triplet((images[0], images[1], images[2]), (semantics[0], semantics[1]), (ids[0], ids[1]), str(path))


def instances_from_components(semantic: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Instance ids (H,W) int32 from connected components of cars and people.

    Touching objects merge, so a component that does not look like one object keeps id 0: a crowd, which is ignored.
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
            row_of_cars = train_id == CAR and cut and area > LARGE * semantic.size and width > 1.2 * height
            if area >= MIN_PIXELS and not row_of_cars and _is_one_object(train_id, parts[window] == part):
                instance[window][parts[window] == part] = next_id
                next_id += 1
    return instance


def _is_one_object(train_id: int, mask: NDArray[np.bool_]) -> bool:
    """Plausible aspect and outline for a single car or person; mask (h,w) is cut out tightly."""
    height, width = mask.shape
    low, high = ASPECT[train_id]
    if not low < width / height < high:
        return False
    area = int(mask.sum())
    pixels = np.argwhere(mask)[:, ::-1]
    corners = np.concatenate([pixels + corner for corner in ((0, 0), (1, 0), (0, 1), (1, 1))]).astype(np.float32)
    if area / cv2.contourArea(cv2.convexHull(corners)) < SOLIDITY[train_id]:
        return False
    return train_id != CAR or _notch(mask) < NOTCH * area**0.5


def _notch(mask: NDArray[np.bool_]) -> float:
    """The deepest dent of the outline, in pixels, among those that open upwards."""
    outlines, _ = cv2.findContours(np.pad(mask, 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.asarray(outlines[0]).reshape(-1, 2)
    defects = np.asarray(cv2.convexityDefects(outlines[0], cv2.convexHull(outlines[0], returnPoints=False)))
    if not defects.ndim:  # OpenCV's None: the outline is convex
        return 0.0
    start, end, far, depth = defects.reshape(-1, 4).T
    opens_upwards = points[far, 1] > (points[start, 1] + points[end, 1]) / 2
    return float((depth * opens_upwards).max()) / 256  # OpenCV's fixed point


def ego_motions(rng: np.random.Generator, height: int, width: int) -> list[NDArray[np.float64]]:
    """Three affine maps (2,3), still to frame, of a camera that drives, turns and shakes; some scenes stand still.

    Each frame zooms about a vanishing point, pans and rolls a little more than the one before.
    """
    point = np.array([width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.55)])
    still = rng.random() < 0.15
    zoom = 1.0 if still else float(np.exp(rng.normal(0.03, 0.04)))
    pan = np.zeros(2) if still else rng.normal(0, [0.025 * width, 0.006 * height])
    roll = 0.0 if still else float(rng.normal(0, 0.006))
    maps = []
    for step in (0.0, 1.0, 2.0):
        scale, angle = zoom**step, roll * step
        rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shake = rng.normal(0, 0.6, 2) * (0 if still else 1)
        offset = point - rotation @ point + pan * (step - 1) + shake
        maps.append(np.hstack((rotation, offset[:, None])))
    return maps


def warp(image: NDArray[Pixel], matrix: NDArray[np.float64], interpolation: int, border: int) -> NDArray[Pixel]:
    """Apply an affine map to an image or label, filling what comes from outside with `border`.

    The map is in coordinates with pixel centres at .5, OpenCV's has them at whole numbers.
    """
    height, width = image.shape[:2]
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    warped = cv2.warpAffine(
        image, shifted, (width, height), flags=interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=(border,) * 3
    )
    return np.asarray(warped, image.dtype)
