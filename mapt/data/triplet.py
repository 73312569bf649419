"""Defines a data source's samples: three frames of a scene, with labels for the last two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mapt.data.datasets.bad_files import BadFiles
from mapt.labels.class_sets import ClassSet

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Triplet:
    """Frames t - 2 tau, t - tau and t, all of one size.

    Attributes:
        images: three images (H,W,3) uint8 RGB in temporal order.
        semantic: train ids (H,W) uint8 of the last two frames, 255 void.
        instance: ids (H,W) int32 of the last two frames. Thing pixels with id 0 belong to a crowd.
            These and all pixels with id -1 are ignored.
        name: names the source in error messages.
    """

    images: tuple[Image, Image, Image]
    semantic: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    instance: tuple[NDArray[np.int32], NDArray[np.int32]]
    name: str


def last_frames(
    images: list[Image],
    semantic: list[NDArray[np.uint8]],
    instance: list[NDArray[np.int32]],
    name: str,
) -> Triplet:
    """Build a triplet from its last frames.

    The first image and the first label replace those that are missing before them.

    Args:
        images: one to three images (H,W,3) uint8 RGB in temporal order.
        semantic: train ids (H,W) uint8 of the last frame or of the last two.
        instance: ids (H,W) int32 of the same frames.
        name: names the source in error messages.
    """
    before, prev, now = [images[0]] * (3 - len(images)) + images
    semantic_prev, semantic_now = [semantic[0]] * (2 - len(semantic)) + semantic
    instance_prev, instance_now = [instance[0]] * (2 - len(instance)) + instance
    return Triplet(
        (before, prev, now), (semantic_prev, semantic_now), (instance_prev, instance_now), name
    )


class TripletSource(Protocol):
    """A dataset of triplets.

    Attributes:
        labels: the dataset's classes.
        bad: decides what happens to bad files, and keeps the messages about them.
    """

    labels: ClassSet
    bad: BadFiles

    def __len__(self) -> int:
        """Return the number of triplets, which is the number of frames that can be the last."""
        ...

    def read(self, index: int, rng: np.random.Generator, distinct: int = 3) -> Triplet:
        """Read a triplet.

        Args:
            index: its number, by its last frame.
            rng: draws the interval, or the motion of a still image.
            distinct: the frames that may differ. With 2, frame t - tau replaces t - 2 tau. With 1,
                frame t replaces both others, and no other frame is read.

        Raises:
            InputError: a file is missing or bad.
        """
        ...
