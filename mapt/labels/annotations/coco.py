"""COCO's instance annotations: https://cocodataset.org/#format-data, and exports in this format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mapt.errors import InputError
from mapt.io.user_files import read_json
from mapt.labels.annotations.images import ImageFinder
from mapt.labels.annotations.regions import (
    Annotations,
    LabelledImage,
    Mask,
    Polygon,
    Region,
    class_set,
    polygon,
)
from mapt.labels.class_sets import ClassSet
from mapt.labels.rle import decode_mask


def read_coco_classes(path: Path) -> ClassSet:
    """The classes of a COCO JSON file, see `read_coco`."""
    return _classes(path, _read(path))[0]


def read_coco(path: Path) -> Annotations:
    """Read a COCO JSON file.

    Classes are in the order of their category ids. Categories with `isthing` 0 are stuff. An
    object's track is its `track_id`, or that of its `attributes`, as CVAT writes it. Images are
    searched in the file's folder; of a file in a folder `annotations`, in the one above.

    Raises:
        InputError: not such a file, or an annotation without a mask.
    """
    content = _read(path)
    labels, train_ids = _classes(path, content)
    finder = ImageFinder(path.parent.parent if path.parent.name == "annotations" else path.parent)
    regions: dict[Any, list[Region]] = {}
    for annotation in content["annotations"]:
        where = f"{path}: annotation {annotation.get('id')}"
        if annotation.get("category_id") not in train_ids:
            raise InputError(f"{where}: has no category of the file; export it again")
        attributes = annotation.get("attributes")
        track = annotation.get("track_id")
        if track is None and isinstance(attributes, dict):
            track = attributes.get("track_id")
        if track is not None and type(track) is not int:
            raise InputError(f"{where}: track_id {track!r:.40} is no whole number; correct it")
        regions.setdefault(annotation.get("image_id"), []).append(
            Region(
                train_ids[annotation["category_id"]],
                _shape(annotation.get("segmentation"), where),
                None if track is None else track + 1,  # CVAT counts from 0
                bool(annotation.get("iscrowd")),
                where,
            )
        )
    images = []
    missing = []
    for image in content["images"]:
        name = image.get("file_name")
        found = finder.find(name) if isinstance(name, str) and name else None
        if found is None:
            missing.append(f"{finder.folder / str(name)}: is missing, {path} labels it; copy it")
        else:
            images.append(LabelledImage(found, tuple(regions.get(image.get("id"), ()))))
    return Annotations(labels, tuple(images), tuple(missing))


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    content = read_json(path)
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{path}: has no list {key!r} of objects; export it as COCO instances")
    return content  # type: ignore[no-any-return]


def _classes(
    path: Path, content: dict[str, list[dict[str, Any]]]
) -> tuple[ClassSet, dict[int, int]]:
    """The classes, and the train id of every category id."""
    categories: dict[int, str] = {}
    for category in content["categories"]:
        number = category.get("id")
        name = category.get("name")
        if type(number) is not int or not isinstance(name, str):
            raise InputError(f"{path}: category {category!r:.80} needs an id and a name")
        categories[number] = name
    ordered = dict(sorted(categories.items()))
    stuff = [str(c["name"]) for c in content["categories"] if c.get("isthing") == 0]
    labels = class_set(list(ordered.values()), stuff, str(path))
    return labels, {number: labels.classes.index(name) for number, name in ordered.items()}


def _shape(segmentation: Any, where: str) -> tuple[Polygon, ...] | Mask:
    if isinstance(segmentation, list) and segmentation:
        return tuple(polygon(part, where) for part in segmentation)
    if isinstance(segmentation, dict):
        try:
            height, width = (int(side) for side in segmentation["size"])
            counts = segmentation["counts"]
            if isinstance(counts, str):
                return decode_mask(counts.encode("ascii"), height, width)
            return _expand(counts, height, width)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{where}: its run lengths do not fit its size; export it again"
            ) from None
    raise InputError(f"{where}: has no mask; label polygons or masks, boxes are not enough")


def _expand(counts: Any, height: int, width: int) -> Mask:
    """A mask of plain run lengths, column by column, the first of zeros."""
    runs = np.asarray(counts)
    if runs.ndim != 1 or runs.dtype.kind != "i" or runs.min(initial=0) < 0:
        raise ValueError("are no run lengths")
    if runs.max(initial=0) > height * width or runs.sum() != height * width:
        raise ValueError("do not cover the image")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T
