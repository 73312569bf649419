"""Turns labelled still images into triplets of a moving camera.

The pixels are real, and the motion between the frames is known exactly.
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
    """A function that reads the label of a still image."""

    def __call__(self, path: Path) -> tuple[Semantic, Instance]:
        """Read a label.

        Returns:
            Train ids (H,W) uint8, and instance ids (H,W) int32 below 32768.

        Raises:
            InputError: the label cannot be read.
        """
        ...


class Stills:
    """A `TripletSource` of still images with labels.

    `read` warps an image into three frames of a moving camera.

    Args:
        files: the image and the label of each still.
        read_label: reads a label.
        bad: decides what happens to bad files.
        labels: classes of the labels.
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
        """Return the number of labelled stills."""
        return len(self.files)

    def read(self, index: int, rng: np.random.Generator, distinct: int = 3) -> Triplet:
        """Read triplet `index`, see `TripletSource.read`.

        Raises:
            InputError: image or label cannot be read, their sizes differ, or a class is unknown.
        """
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
    """Pair every label with its image.

    Args:
        folder: where the images should be, for messages.
        labels: the label of each still.
        images: the image of each label, or None if it is missing.
        bad: decides what happens to labels without an image.

    Returns:
        The image and the label of each still that has both.

    Raises:
        InputError: a label has no image and is not skipped, or no label has an image.
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
    """Draw the affine maps from a still image to three frames of a moving camera.

    The camera drives, turns and shakes, or stands still in 15 % of the scenes. Each frame zooms
    about a vanishing point, pans and rolls more than the one before.

    Args:
        rng: draws the motion.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        Three maps (2,3) float64 in pixels, with pixel centres at .5.
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
    """Apply an affine map to an image or label.

    Args:
        image: (H,W) or (H,W,3).
        matrix: (2,3) map from the image to the result, in pixels, with pixel centres at .5.
        interpolation: OpenCV's flag.
        border: value of pixels that come from outside.

    Returns:
        The warped image, of the same shape and type.
    """
    height, width = image.shape[:2]
    # OpenCV has pixel centres at whole numbers.
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
