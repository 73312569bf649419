"""KITTI-MOTS ground truth as text: one line an object, `frame id class height width rle`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.data.rle import covering_runs, decode_mask
from mapt.errors import InputError
from mapt.panoptic import BACKGROUND, MAX_INSTANCE, VOID, Instance, Packed, Semantic, pack

CLASSES = {1: 13, 2: 11}  # car, pedestrian
IGNORE = 10


@dataclass(frozen=True)
class MotsObject:
    """One mask: its KITTI-MOTS id (class * 1000 + instance), class, image size and COCO run lengths."""

    id: int
    label: int
    height: int
    width: int
    rle: bytes

    def mask(self) -> NDArray[np.bool_]:
        """The mask (H,W) bool."""
        return decode_mask(self.rle, self.height, self.width)


def mots_texts(root: Path) -> dict[str, Path]:
    """The KITTI-MOTS texts by sequence: `root` itself, in it, or in its instances_txt; empty where there is none."""
    if root.is_file():
        return {root.stem: root}
    found = sorted(root.glob("*.txt")) or sorted((root / "instances_txt").glob("*.txt"))
    return {p.stem: p for p in found}


def read_mots_text(path: Path) -> dict[int, list[MotsObject]]:
    """The objects of each frame that has any.

    Raises:
        InputError: unreadable file, a line of another form, run lengths that do not cover the frame, an id beyond
            65535, or frames of different sizes.
    """
    frames: dict[int, list[MotsObject]] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path") from None
    first: MotsObject | None = None
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        frame, thing = _parse(line, where)
        first = first or thing
        if (thing.height, thing.width) != (first.height, first.width):
            raise InputError(
                f"{where}: is {thing.height}x{thing.width}, the first line {first.height}x{first.width}; "
                "a sequence has one size"
            )
        frames.setdefault(frame, []).append(thing)
    if not frames:
        raise InputError(f"{path}: holds no object; check that it is KITTI-MOTS' ground truth")
    return frames


def _parse(line: str, where: str) -> tuple[int, MotsObject]:
    """The frame and object of a line."""
    parts = line.split()
    try:
        frame, identity, label, height, width = (int(p) for p in parts[:5])
        known = len(parts) == 6 and label in (*CLASSES, IGNORE) and min(frame, height - 1, width - 1) >= 0
    except ValueError:
        known = False
    if not known:
        raise InputError(f"{where}: is not `frame id class height width rle`; take KITTI-MOTS' text format")
    if not 0 <= identity <= MAX_INSTANCE:
        raise InputError(
            f"{where}: id {identity} is not within 0..{MAX_INSTANCE}; KITTI-MOTS' are class * 1000 + number"
        )
    rle = parts[5].encode()
    try:
        covering_runs(rle, height, width)
    except ValueError as error:
        raise InputError(f"{where}: the mask {error}; take the file anew") from None
    return frame, MotsObject(identity, label, height, width, rle)


def to_panoptic(objects: list[MotsObject], shape: tuple[int, int], where: str) -> tuple[Semantic, Instance]:
    """Objects of a frame as (semantic (H,W) uint8, instance (H,W) int32).

    Cars and people keep their instance number + 1, ignore regions are void, all else is class 254 "background".

    Raises:
        InputError: two masks share a pixel; `where` names the frame.
    """
    semantic = np.full(shape, BACKGROUND, np.uint8)
    instance = np.zeros(shape, np.int32)
    for thing in objects:
        mask = thing.mask()
        if (semantic[mask] != BACKGROUND).any():
            raise InputError(f"{where}: the mask of id {thing.id} overlaps another; a pixel belongs to one object")
        semantic[mask] = CLASSES.get(thing.label, VOID)
        instance[mask] = thing.id % 1000 + 1 if thing.label in CLASSES else 0
    return semantic, instance


def pack_objects(objects: list[MotsObject], shape: tuple[int, int], where: str) -> Packed:
    """The same as a packed frame (H,W) uint32."""
    return pack(*to_panoptic(objects, shape, where))
