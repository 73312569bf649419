"""YOLO segmentation: `data.yaml`, and a text beside every image.

https://docs.ultralytics.com/datasets/segment/. A line of a text is `class x y x y ...`, in
fractions of the image's width and height.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mapt.errors import InputError, shown
from mapt.io.image_files import read_rgb
from mapt.io.listing import IMAGES, list_files
from mapt.io.user_files import read_text
from mapt.labels.annotations.regions import (
    Annotations,
    LabelledImage,
    Region,
    class_set,
    polygon,
    whole_number,
)
from mapt.labels.class_sets import ClassSet

BEYOND = 1.5  # sides of an image, of a point from its centre
INSTALL = "pip install 'mapt[train]'"


def read_yolo_classes(path: Path) -> ClassSet:
    """The classes of a `data.yaml`, see `read_yolo`."""
    return class_set(list(_names(path, _read(path)).values()), (), str(path))


def read_yolo(path: Path, split: str = "train") -> Annotations:
    """Read a YOLO data set for segmentation.

    Args:
        path: its `data.yaml`, with `names` and the folders of images.
        split: "train", "val" or "test": the key that names the folders.

    Raises:
        InputError: not such a file, no images, or a line that is no polygon, such as a box.
    """
    content = _read(path)
    names = _names(path, content)
    labels = class_set(list(names.values()), (), str(path))
    entries = content.get(split)
    images = []
    for entry in entries if isinstance(entries, list) else [entries][: entries is not None]:
        folder = _image_folder(path, content.get("path"), entry, split)
        for image in list_files(folder, *IMAGES):
            images.append(LabelledImage(image, _regions(image, names, labels)))
    if not images:
        raise InputError(f"{path}: its {split!r} names no folder with images; correct it")
    return Annotations(labels, tuple(images))


def _read(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise InputError(f"{path}: reading YAML needs the package pyyaml; {INSTALL}") from None
    try:
        content = yaml.safe_load(read_text(path))
    except InputError:
        raise
    except Exception:  # its parts for dates and numbers raise anything
        raise InputError(f"{path}: is not YAML; export it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no data.yaml with names and folders; export it again")
    return content


def _names(path: Path, content: dict[str, Any]) -> dict[int, str]:
    """Class names by index."""
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(
        type(number) is int and isinstance(name, str) for number, name in names.items()
    ):
        raise InputError(f"{path}: has no list of class names under 'names'; export it again")
    return dict(sorted(names.items()))


def _image_folder(path: Path, root: Any, entry: Any, split: str) -> Path:
    """The folder of a split. Exports give it from their own folder, or from one above."""
    if not isinstance(entry, str) or entry.endswith(".txt"):
        raise InputError(
            f"{path}: {split!r} is {shown(entry, 80)}, no folder of images; name folders"
        )
    bases = [path.parent / root, path.parent] if isinstance(root, str) else [path.parent]
    places = [base / name for base in bases for name in (entry, entry.removeprefix("../"))]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise InputError(f"{path}: {places[0]} is no folder; correct the path in it")
    return found / "images" if (found / "images").is_dir() else found


def _regions(image: Path, names: dict[int, str], labels: ClassSet) -> tuple[Region, ...]:
    text = _label_text(image)
    if not text.is_file():  # an image without objects
        return ()
    height, width, _ = read_rgb(image).shape
    regions = []
    for number, line in enumerate(read_text(text).splitlines(), 1):
        where = f"{text}:{number}"
        label, *numbers = line.split() or ("",)
        if not label:
            continue
        name = names.get(-1 if (index := whole_number(label)) is None else index)
        if name is None:
            raise InputError(f"{where}: class {label[:20]} is none of data.yaml's; correct it")
        if len(numbers) == 4:
            raise InputError(f"{where}: is a box, a network here learns masks; export segmentation")
        shares = polygon(numbers, where)
        if np.abs(shares - 0.5).max() > BEYOND:
            raise InputError(f"{where}: has a point that is no share of the sides; export it again")
        points = shares * np.array([width, height])
        regions.append(Region(labels.classes.index(name), (points,), None, False, where))
    return tuple(regions)


def _label_text(image: Path) -> Path:
    """The text beside an image: `labels` in place of the last `images` of its path."""
    parts = list(image.with_suffix(".txt").parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return Path(*parts)
