"""Turns labelled still images into moving triplets.

Every head sees real pixels. The motion is known, because it is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.labelled_video import check_classes
from mapt.data.triplet import Triplet, last_frames
from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.labels.class_sets import CITYSCAPES_VPS, ClassSet
from mapt.labels.step_png import Instance, Semantic

Pixel = TypeVar("Pixel", np.uint8, np.int16)


class StillReader(Protocol):
    """Reads the label of a still."""

    def __call__(self, path: Path) -> tuple[Semantic, Instance]:
        """Train ids (H,W) and ids (H,W) within a still, below 32768."""
        ...


class Stills:
    """Images with labels, in Cityscapes' classes where no others are given.

    `read` warps an image into three frames of an approaching camera.
    """

    def __init__(
        self,
        files: Sequence[tuple[Path, Path]],
        read_label: StillReader,
        bad: BadFiles,
        labels: ClassSet = CITYSCAPES_VPS,
    ) -> None:
        self.labels = labels
        self.files = files
        self.read_label = read_label
        self.bad = bad

    def __len__(self) -> int:
        """Labelled stills."""
        return len(self.files)

    def read(self, index: int, rng: np.random.Generator, distinct: int = 3) -> Triplet:
        """See `Source.read`."""
        path, label = self.files[index]
        image = read_rgb(path)
        semantic, instance = self.read_label(label)
        check_classes(semantic, self.labels, str(label))
        if semantic.shape != image.shape[:2]:
            raise InputError(
                f"{label}: is {semantic.shape}, its image {image.shape[:2]}; replace one of them"
            )
        moves = ego_motions(rng, semantic.shape[0], semantic.shape[1])[-distinct:]
        images = [warp(image, m, cv2.INTER_LINEAR, 0) for m in moves]
        semantics = [warp(semantic, m, cv2.INTER_NEAREST, 255) for m in moves[-2:]]
        ids = [
            warp(instance.astype(np.int16), m, cv2.INTER_NEAREST, 0).astype(np.int32)
            for m in moves[-2:]
        ]
        return last_frames(images, semantics, ids, str(path))


def pair_files(
    folder: Path, labels: Sequence[Path], images: Sequence[Path | None], bad: BadFiles
) -> list[tuple[Path, Path]]:
    """Image and label of every still.

    Raises:
        InputError: a label has no image and is not skipped, or nothing is left.
    """
    pairs = []
    for label, image in zip(labels, images, strict=True):
        if image is None:
            bad.report(f"{label}: this label has no image; copy it into {folder}")
        else:
            pairs.append((image, label))
    if not pairs:
        raise InputError(f"{folder}: holds no image of any label; check the path")
    return pairs


def ego_motions(rng: np.random.Generator, height: int, width: int) -> list[NDArray[np.float64]]:
    """Draw three affine maps (2,3), from the still image to each frame.

    They are those of a camera that drives, turns and shakes. In some scenes the camera stands
    still.

    Each frame zooms about a vanishing point, pans and rolls a little more than the one before.
    """
    point = np.array([width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.55)])
    still = rng.random() < 0.15
    zoom = 1.0 if still else float(np.exp(rng.normal(0.03, 0.04)))
    pan = np.zeros(2) if still else rng.normal(0, [0.025 * width, 0.006 * height])
    roll = 0.0 if still else float(rng.normal(0, 0.006))
    maps = []
    for step in (0.0, 1.0, 2.0):
        scale = zoom**step
        angle = roll * step
        rotation = scale * np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        shake = rng.normal(0, 0.6, 2) * (0 if still else 1)
        offset = point - rotation @ point + pan * (step - 1) + shake
        maps.append(np.hstack((rotation, offset[:, None])))
    return maps


def warp(
    image: NDArray[Pixel], matrix: NDArray[np.float64], interpolation: int, border: int
) -> NDArray[Pixel]:
    """Apply an affine map to an image or label, filling what comes from outside with `border`.

    The map is in coordinates with pixel centres at .5, OpenCV's has them at whole numbers.
    """
    height, width = image.shape[:2]
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    warped = cv2.warpAffine(
        image,
        shifted,
        (width, height),
        flags=interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(border,) * 3,
    )
    return np.asarray(warped, image.dtype)
