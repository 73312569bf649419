"""Exports of labelling tools to a folder in KITTI-STEP's layout, with its own classes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from mapt.errors import InputError
from mapt.io.atomic_folders import published
from mapt.io.image_files import read_rgb
from mapt.io.listing import natural_order
from mapt.labels.annotations.formats import read_annotations
from mapt.labels.annotations.regions import LabelledImage
from mapt.labels.class_files import CLASS_FILE
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import write_step


def annotations_to_step(
    export: Path, out: Path, split: str = "train", done: Callable[[], None] | None = None
) -> int:
    """Convert an export to labels, copied images, and a file that names the classes.

    The labels are `out/panoptic_maps/<split>/<sequence>/<frame:06d>.png`, the images lie in
    `out/training/image_02/<sequence>`, and `classes.toml` names the classes. A sequence is a folder
    of images. Without tracks, ids count anew in every image.

    Args:
        export: its file, see `read_annotations`.
        out: a new folder; it appears whole or not at all.
        split: of YOLO, and the name of the labels' folder.
        done: called after each image.

    Returns:
        Images written.

    Raises:
        InputError: a bad export, an image that is missing, two folders of one name, or `out` is not
            new.
    """
    if out.exists():
        raise InputError(f"{out}: is already there; name a new folder")
    found = read_annotations(export, split)
    if found.missing:
        raise InputError(found.missing[0])
    if not found.images:
        raise InputError(f"{export}: has no labelled image; check the export")
    sequences: dict[str, list[LabelledImage]] = {}
    for image in found.images:
        others = sequences.setdefault(image.path.parent.name, [])
        if others and others[0].path.parent != image.path.parent:
            raise InputError(
                f"{image.path.parent}: has the name of {others[0].path.parent}; rename one of them"
            )
        others.append(image)
    with published(out) as folder:
        for name, images in sequences.items():
            for number, image in _numbered(images).items():
                stem = f"{number:06d}"
                height, width, _ = read_rgb(image.path).shape
                label = image.label_maps(height, width, found.labels, found.tracked)
                write_step(folder / "panoptic_maps" / split / name / f"{stem}.png", *label)
                copy = folder / "training" / "image_02" / name / (stem + image.path.suffix.lower())
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(image.path, copy)
                if done:
                    done()
        (folder / CLASS_FILE).write_text(class_file(found.labels))
    return len(found.images)


def _numbered(images: list[LabelledImage]) -> dict[int, LabelledImage]:
    """Images by the number in their names; where these are not all different, by their order."""
    ordered = sorted(images, key=lambda image: natural_order(image.path))
    numbers = [image.number for image in ordered]
    if None in numbers or len(set(numbers)) != len(numbers):
        return dict(enumerate(ordered))
    return {image.number or 0: image for image in ordered}


def class_file(labels: ClassSet) -> str:
    """The text of a TOML file that `read_class_set` reads as these classes."""
    things = [labels.classes[c] for c in labels.things]
    # JSON's lists of strings are TOML's too.
    names = json.dumps(list(labels.classes), ensure_ascii=False)
    return f"classes = {names}\nthings = {json.dumps(things, ensure_ascii=False)}\n"
