"""Which reader an export needs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mapt.errors import InputError
from mapt.labels.annotations.coco import read_coco, read_coco_classes
from mapt.labels.annotations.cvat import read_cvat, read_cvat_classes
from mapt.labels.annotations.regions import Annotations
from mapt.labels.annotations.yolo import read_yolo, read_yolo_classes
from mapt.labels.class_sets import ClassSet

CLASS_READERS = {
    ".json": read_coco_classes,
    ".xml": read_cvat_classes,
    ".yaml": read_yolo_classes,
    ".yml": read_yolo_classes,
}
FORMATS = "COCO .json, CVAT .xml or YOLO data.yaml"


def read_annotations(path: Path, split: str = "train") -> Annotations:
    """Read an export: COCO `.json`, CVAT `.xml`, or a YOLO `data.yaml`.

    Args:
        path: the file, or a folder that holds exactly one.
        split: of YOLO; of a folder with several files, the one that has it in its name is read.

    Raises:
        InputError: no such file, several, or one that cannot be read.
    """
    file = find_export(path, split)
    if file.suffix.lower() == ".json":
        found = read_coco(file)
    elif file.suffix.lower() == ".xml":
        found = read_cvat(file)
    else:
        found = read_yolo(file, split)
    twice = [path for path, times in Counter(i.path for i in found.images).items() if times > 1]
    if twice:
        raise InputError(f"{file}: lists {twice[0]} twice; keep one entry with all its labels")
    return found


def read_annotated_classes(path: Path) -> ClassSet:
    """The classes of an export, see `read_annotations`."""
    file = find_export(path)
    return CLASS_READERS[file.suffix.lower()](file)


def find_export(path: Path, split: str = "train") -> Path:
    """The export's file, which `path` names or holds.

    Raises:
        InputError: there is none, or several.
    """
    if path.is_file() and path.suffix.lower() in CLASS_READERS:
        return path
    if not path.is_dir():
        what = "is no" if path.exists() else "no such file;"
        raise InputError(f"{path}: {what} export; give {FORMATS}")
    found = sorted(
        p
        for folder in (path, path / "annotations")
        if folder.is_dir()
        for p in folder.iterdir()
        if p.suffix.lower() in CLASS_READERS and not p.name.startswith(".")
    )
    if len(found) > 1:
        found = [p for p in found if split in p.stem] or found
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise InputError(f"{path}: holds {names}, not one export; give {FORMATS}")
    return found[0]
