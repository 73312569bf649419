"""COCO's instance annotations: https://cocodataset.org/#format-data, and exports in this format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError, shown
from mapt.io.user_files import read_json
from mapt.labels.annotations.images import ImageFinder
from mapt.labels.annotations.regions import (
    Annotations,
    LabelledImage,
    Polygon,
    Region,
    Runs,
    class_set,
    polygon,
)
from mapt.labels.class_sets import ClassSet
from mapt.labels.rle import covering_runs


def read_coco_classes(path: Path) -> ClassSet:
    """The classes of a COCO JSON file, see `read_coco`."""
    return _classes(path, _read(path))[0]


def read_coco(path: Path) -> Annotations:
    """Read a COCO JSON file.

    Classes are in the order of their category ids. Categories with `isthing` 0 are stuff. An
    object's track is its `track_id`, or that of its `attributes`, as CVAT writes it. Images are
    searched in the file's folder; of a file in a folder `annotations`, in the one above.

    Raises:
        InputError: not such a file, an annotation without a mask, or an id that is none or twice.
    """
    content = _read(path)
    labels, train_ids = _classes(path, content)
    finder = ImageFinder(path.parent.parent if path.parent.name == "annotations" else path.parent)
    regions: dict[int | str, list[Region]] = {}
    for annotation in content["annotations"]:
        where = f"{path}: annotation {shown(annotation.get('id'))}"
        category = _key(annotation.get("category_id"), where, "category_id")
        if category not in train_ids:
            raise InputError(f"{where}: has no category of the file; export it again")
        attributes = annotation.get("attributes")
        track = annotation.get("track_id")
        if track is None and isinstance(attributes, dict):
            track = attributes.get("track_id")
        if track is not None and type(track) is not int:
            raise InputError(f"{where}: track_id {shown(track)} is no whole number; correct it")
        regions.setdefault(_key(annotation.get("image_id"), where, "image_id"), []).append(
            Region(
                train_ids[category],
                _shape(annotation.get("segmentation"), where),
                None if track is None else track + 1,  # CVAT counts from 0
                bool(annotation.get("iscrowd")),
                where,
            )
        )
    images = []
    missing = []
    seen = set[int | str]()
    for image in content["images"]:
        number = _key(image.get("id"), f"{path}: an image", "id")
        if number in seen:
            raise InputError(f"{path}: has two images of the id {shown(number)}; export it again")
        seen.add(number)
        name = image.get("file_name")
        found = finder.find(name) if isinstance(name, str) and name else None
        if found is None:
            missing.append(f"{finder.folder / str(name)}: is missing, {path} labels it; copy it")
        else:
            images.append(LabelledImage(found, tuple(regions.get(number, ()))))
    missing += [
        f"{found[0].where}: is of image {shown(number)}, which the file does not list"
        for number, found in regions.items()
        if number not in seen
    ]
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
) -> tuple[ClassSet, dict[int | str, int]]:
    """The classes, and the train id of every category id."""
    categories: dict[int, str] = {}
    for category in content["categories"]:
        number = category.get("id")
        name = category.get("name")
        if type(number) is not int or not isinstance(name, str):
            raise InputError(f"{path}: category {shown(category, 80)} needs an id and a name")
        if number in categories:
            raise InputError(f"{path}: has two categories of the id {number}; export it again")
        categories[number] = name
    ordered = dict(sorted(categories.items()))
    stuff = [str(c["name"]) for c in content["categories"] if c.get("isthing") == 0]
    labels = class_set(list(ordered.values()), stuff, str(path))
    return labels, {number: labels.classes.index(name) for number, name in ordered.items()}


def _key(value: Any, where: str, name: str) -> int | str:
    """An id, by which annotations, images and categories find each other."""
    if type(value) is not int and not isinstance(value, str):
        raise InputError(f"{where}: its {name} is {shown(value)}, not a number; export it again")
    return value


def _shape(segmentation: Any, where: str) -> tuple[Polygon, ...] | Runs:
    if isinstance(segmentation, list) and segmentation:
        return tuple(polygon(part, where) for part in segmentation)
    if isinstance(segmentation, dict):
        try:
            height, width = (int(side) for side in segmentation["size"])
            counts = segmentation["counts"]
            if isinstance(counts, str):
                lengths = covering_runs(counts.encode("ascii"), height, width)
            else:
                lengths = _plain_runs(counts, height, width)
            return Runs((height, width), lengths)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(
                f"{where}: its run lengths do not fit its size; export it again"
            ) from None
    raise InputError(f"{where}: has no mask; label polygons or masks, boxes are not enough")


def _plain_runs(counts: Any, height: int, width: int) -> NDArray[np.int64]:
    """Run lengths (n,) int64 that are written as numbers."""
    runs = np.asarray(counts)
    if runs.ndim != 1 or runs.dtype.kind != "i" or runs.min(initial=0) < 0:
        raise ValueError("are no run lengths")
    if runs.max(initial=0) > height * width or sum(counts) != height * width:
        raise ValueError("do not cover the image")
    return runs.astype(np.int64)
