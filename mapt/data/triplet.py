"""What a data source hands over: three frames of a scene with labels for the last two."""

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
        images: three (H,W,3) uint8 RGB images in the order of time.
        semantic: (H,W) uint8 train ids of the last two, 255 void.
        instance: (H,W) int32 ids of the last two; a thing pixel with id 0 is a crowd, to be
            ignored, and so is any pixel with id -1.
        name: where it comes from, for error messages.
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
    """Build a triplet of its last images and labels.

    If there are fewer, the first one stands in for those before it.
    """
    before, prev, now = [images[0]] * (3 - len(images)) + images
    semantic_prev, semantic_now = [semantic[0]] * (2 - len(semantic)) + semantic
    instance_prev, instance_now = [instance[0]] * (2 - len(instance)) + instance
    return Triplet(
        (before, prev, now), (semantic_prev, semantic_now), (instance_prev, instance_now), name
    )


class Source(Protocol):
    """A dataset of triplets.

    Attributes:
        labels: its classes.
        bad: what to do with bad files, and those found so far.
    """

    labels: ClassSet
    bad: BadFiles

    def __len__(self) -> int:
        """How many triplets there are (by their last frame)."""
        ...

    def read(self, index: int, rng: np.random.Generator, distinct: int = 3) -> Triplet:
        """Triplet `index`; `rng` decides what is free (the interval, a still's motion).

        With 2 `distinct` frames, t - tau stands in for t - 2 tau, as at the start of a sequence;
        with 1, frame t stands in for both and nothing else is read.
        """
        ...
