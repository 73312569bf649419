"""CVAT's own XML, "CVAT for images 1.1" and "CVAT for video 1.1".

https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mapt.errors import InputError, shown
from mapt.io.user_files import read_file
from mapt.labels.annotations.images import ImageFinder
from mapt.labels.annotations.regions import (
    Annotations,
    LabelledImage,
    Polygon,
    Region,
    Runs,
    class_set,
    polygon,
    whole_number,
)
from mapt.labels.class_sets import ClassSet

Element = ElementTree.Element
Ordered = tuple[int, Region]  # z_order and region
SHAPES = ("polygon", "mask")
UNUSABLE = ("box", "polyline", "points", "ellipse", "cuboid", "skeleton")


def read_cvat_classes(path: Path) -> ClassSet:
    """The classes of a CVAT XML file, see `read_cvat`."""
    return _classes(path, _read(path))


def read_cvat(path: Path) -> Annotations:
    """Read a CVAT XML file for images or for video.

    Polygons and masks are read, later and higher ones cover others. A video's tracks give the
    objects their ids. Images are searched in the file's folder and below it: those of a video by
    the number in their name, from the first frame with an object to the last one.

    Raises:
        InputError: not such a file, or a shape that is no mask, such as a box.
    """
    root = _read(path)
    labels = _classes(path, root)
    finder = ImageFinder(path.parent)
    if root.find("track") is not None:
        return _read_video(path, root, labels, finder)
    images = []
    missing = []
    for image in root.iter("image"):
        name = image.get("name", "")
        where = f"{path}: image {name}"
        size = (_whole(image, "height", where), _whole(image, "width", where))
        shapes = [
            (_z_order(shape), _region(shape, shape.get("label"), size, labels, None, where))
            for shape in _shapes(image, where)
        ]
        found = finder.find(name) if name else None
        if found is None:
            missing.append(f"{path.parent / name}: is missing, {path} labels it; copy it")
        else:
            images.append(LabelledImage(found, _in_order(shapes)))
    return Annotations(labels, tuple(images), tuple(missing))


def _read_video(path: Path, root: Element, labels: ClassSet, finder: ImageFinder) -> Annotations:
    original = root.find(".//original_size")
    texts = [
        original.findtext(side, "") if original is not None else "" for side in ("height", "width")
    ]
    sides = [side for text in texts if (side := whole_number(text)) is not None]
    if len(sides) != 2:
        raise InputError(f"{path}: its meta has no original_size; export it again")
    size = (sides[0], sides[1])
    frames: dict[int, list[Ordered]] = {}
    for number, track in enumerate(root.iter("track"), 1):
        where = f"{path}: track {track.get('id')}"
        for shape in _shapes(track, where):
            if shape.get("outside") != "1":
                region = _region(shape, track.get("label"), size, labels, number, where)
                frame = _whole(shape, "frame", where)
                frames.setdefault(frame, []).append((_z_order(shape), region))
    pictures: dict[int, Path] = {}
    for picture in finder.all():
        frame_number = LabelledImage(picture, ()).number
        if frame_number is not None:
            if frame_number in pictures:
                raise InputError(
                    f"{picture}: is frame {frame_number} like {pictures[frame_number]}; keep the"
                    " images of one video in a folder of their own"
                )
            pictures[frame_number] = picture
    if not frames:
        return Annotations(labels, ())
    first = min(frames)
    last = max(frames)
    there = sorted(n for n in pictures if first <= n <= last)
    images = [LabelledImage(pictures[n], _in_order(frames.get(n, []))) for n in there]
    missing = [
        f"{finder.folder}: no image of {_run(before + 1, after - 1)}, {path} labels it; copy it"
        for before, after in pairwise([first - 1, *there, last + 1])
        if after - before > 1
    ]
    return Annotations(labels, tuple(images), tuple(missing))


def _run(first: int, last: int) -> str:
    """Call a run of frames."""
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def _read(path: Path) -> Element:
    try:
        root = ElementTree.fromstring(read_file(path))
    except (ElementTree.ParseError, ValueError, LookupError):
        raise InputError(f"{path}: is not XML; export it as CVAT for images or for video") from None
    if root.tag != "annotations":
        raise InputError(f"{path}: is no CVAT file; export it as CVAT for images or for video")
    return root


def _classes(path: Path, root: Element) -> ClassSet:
    meta = root.find("meta")
    labels = [] if meta is None else [label.findtext("name", "") for label in meta.iter("label")]
    if not labels:
        raise InputError(f"{path}: its meta names no labels; export it again")
    return class_set(labels, (), str(path))


def _shapes(parent: Element, where: str) -> list[Element]:
    for child in parent:
        if child.tag in UNUSABLE:
            raise InputError(f"{where}: has a {child.tag}; label polygons or masks")
    return [child for child in parent if child.tag in SHAPES]


def _region(
    shape: Element,
    name: str | None,
    size: tuple[int, int],
    labels: ClassSet,
    track: int | None,
    where: str,
) -> Region:
    if name not in labels.classes:
        raise InputError(f"{where}: label {name} is none of its meta's; export it again")
    return Region(labels.classes.index(name), _shape(shape, size, where), track, False, where)


def _shape(shape: Element, size: tuple[int, int], where: str) -> tuple[Polygon, ...] | Runs:
    if shape.tag == "polygon":
        numbers = shape.get("points", "").replace(";", ",").split(",")
        return (polygon(numbers, where),)
    left, top, width, height = (
        _whole(shape, key, where) for key in ("left", "top", "width", "height")
    )
    runs = [whole_number(run) for run in shape.get("rle", "").split(",")]
    lengths = [run for run in runs if run is not None]
    fits = top + height <= size[0] and left + width <= size[1]
    if not fits or len(lengths) < len(runs) or sum(lengths) != height * width:
        raise InputError(f"{where}: has a mask whose run lengths do not fit; export it again")
    return Runs(size, np.array(lengths, np.int64), (top, left, height, width))


def _whole(element: Element, key: str, where: str) -> int:
    text = element.get(key, "")
    number = whole_number(text)
    if number is None:
        raise InputError(f"{where}: {key} {shown(text, 20)} is no whole number; export it again")
    return number


def _z_order(shape: Element) -> int:
    try:
        return int(shape.get("z_order", "0"))
    except ValueError:
        return 0


def _in_order(shapes: list[Ordered]) -> tuple[Region, ...]:
    return tuple(region for _, region in sorted(shapes, key=lambda shape: shape[0]))
