"""Labelled images as regions, whatever the tool that exported them, and their label maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.labels.class_sets import ClassSet, check_class_names, find_class_set
from mapt.labels.rle import decode_mask
from mapt.labels.step_png import MAX_INSTANCE, VOID, Instance, Semantic

BACKGROUND_NAME = "background"  # class of the pixels that no region covers
FARTHEST = 1e5  # coordinate in pixels, far beyond any image
DIGITS = 9  # of a number at most

Polygon = NDArray[np.float64]  # (n,2) x and y in pixels
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Runs:
    """A mask as run lengths, of which only the image's size tells whether memory holds it.

    Attributes:
        size: (height, width) of the image.
        lengths: (n,) int64, of zeros and ones in turn.
        rows: (top, left, height, width) of a part of the image that they cover row by row; None:
            they cover all of it column by column.
    """

    size: tuple[int, int]
    lengths: NDArray[np.int64]
    rows: tuple[int, int, int, int] | None = None

    def mask(self) -> Mask:
        """The mask (height,width)."""
        inside = np.repeat(np.arange(len(self.lengths)) % 2 == 1, self.lengths)
        if self.rows is None:
            return inside.reshape(self.size[::-1]).T
        top, left, height, width = self.rows
        mask = np.zeros(self.size, np.bool_)
        mask[top : top + height, left : left + width] = inside.reshape(height, width)
        return mask


@dataclass(frozen=True)
class Region:
    """One labelled region of an image.

    Attributes:
        label: train id of its class.
        shape: polygons in pixels, which are united, or run lengths.
        track: number of the object, the same in every frame; None: the export has no tracks.
        crowd: several objects that are not told apart.
        where: names the region in messages.
    """

    label: int
    shape: tuple[Polygon, ...] | Runs
    track: int | None
    crowd: bool
    where: str

    def mask(self, height: int, width: int) -> Mask:
        """The mask (height,width).

        Raises:
            InputError: it is a mask of another size.
        """
        if isinstance(self.shape, Runs):
            if self.shape.size != (height, width):
                raise InputError(
                    f"{self.where}: its mask is {self.shape.size}, the image {(height, width)};"
                    " export them together"
                )
            return self.shape.mask()
        return fill_polygons(self.shape, height, width)


@dataclass(frozen=True)
class LabelledImage:
    """An image and its regions, of which later ones cover earlier ones."""

    path: Path
    regions: tuple[Region, ...]

    @property
    def number(self) -> int | None:
        """The frame's number, the last digits of its name; None without digits."""
        digits = re.findall(r"\d+", self.path.stem)
        return int(digits[-1]) if digits else None

    def label_maps(
        self, height: int, width: int, labels: ClassSet, tracked: bool
    ) -> tuple[Semantic, Instance]:
        """Class (H,W) uint8 and id (H,W) int32 of every pixel.

        Args:
            height: of the image.
            width: of the image.
            labels: the export's classes.
            tracked: ids are the regions' tracks; else they count the image's regions from 1.

        Raises:
            InputError: a region has another size, or no track.
        """
        unlabelled = (
            labels.classes.index(BACKGROUND_NAME) if BACKGROUND_NAME in labels.classes else VOID
        )
        semantic = np.full((height, width), unlabelled, np.uint8)
        instance = np.zeros((height, width), np.int32)
        for number, region in enumerate(self.regions, 1):
            mask = region.mask(height, width)
            identity = region.track if tracked else number
            if identity is None or not 0 < identity <= MAX_INSTANCE:
                raise InputError(
                    f"{region.where}: track {identity} is not within 1..{MAX_INSTANCE}; export"
                    " tracks for all objects or for none"
                )
            alone = region.label in labels.things and not region.crowd
            semantic[mask] = region.label
            instance[mask] = identity if alone else 0
        return semantic, instance


@dataclass(frozen=True)
class Annotations:
    """An export.

    Attributes:
        labels: its classes. Pixels without a region are of the class "background".
        images: labelled images, also those without a region.
        missing: a message for every image, or run of a video's images, that is labelled and not
            there.
    """

    labels: ClassSet
    images: tuple[LabelledImage, ...]
    missing: tuple[str, ...] = ()

    @property
    def tracked(self) -> bool:
        """Tell whether regions have tracks."""
        return any(r.track is not None for image in self.images for r in image.regions)


def class_set(names: Sequence[str], stuff: Sequence[str], where: str) -> ClassSet:
    """The classes of an export: "background" first, unless it has this class, then `names`.

    Args:
        names: classes in the export's order.
        stuff: those without instances; "background" is always one.
        where: names the export in messages.

    Raises:
        InputError: no thing among them, or see `check_class_names`.
    """
    lacking = () if BACKGROUND_NAME in names else (BACKGROUND_NAME,)
    classes = (*lacking, *names)
    check_class_names(classes, where)
    things = tuple(
        i for i, name in enumerate(classes) if name != BACKGROUND_NAME and name not in stuff
    )
    if not things:
        raise InputError(f"{where}: has no class with instances; label some objects")
    return find_class_set(classes, things)


def polygon(numbers: Any, where: str) -> Polygon:
    """A polygon (n,2) of a flat list x, y, x, y ...

    Raises:
        InputError: it is not a list of at least three points with finite coordinates.
    """
    try:
        points = np.asarray(numbers, np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 1 or points.size < 6 or points.size % 2:
        raise InputError(f"{where}: is no polygon of at least three points; label it again")
    if not (np.abs(points) < FARTHEST).all():  # also False for NaN
        raise InputError(f"{where}: has a point far outside the image; label it again")
    return points.reshape(-1, 2)


def whole_number(text: str) -> int | None:
    """The number that a text is, of a few digits; None: it is none."""
    text = text.strip()
    few = text.isascii() and text.isdecimal() and len(text) <= DIGITS
    return int(text) if few else None


def fill_polygons(polygons: Sequence[Polygon], height: int, width: int) -> Mask:
    """The pixels (height,width) whose centre lies in any of the polygons; COCO's convention."""
    from pycocotools import mask as coco

    inside = [np.clip(p, 0, (width, height)).ravel().tolist() for p in polygons]
    united: bytes = coco.merge(coco.frPyObjects(inside, height, width))["counts"]
    return decode_mask(united, height, width)
