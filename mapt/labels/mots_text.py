"""Reads KITTI-MOTS texts, whose lines are objects `frame id class height width rle`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.listing import list_files
from mapt.io.user_files import read_text
from mapt.labels.rle import covering_runs, decode_mask
from mapt.labels.step_png import BACKGROUND, MAX_INSTANCE, VOID, Instance, Packed, Semantic, pack

CLASSES = {1: 13, 2: 11}  # car, pedestrian
IGNORE = 10
PER_CLASS = 1000  # by convention, an id is class * 1000 + number
MAX_ID = MAX_INSTANCE - 1  # beyond it, two ids would share an instance number
MAX_SIDE = 1 << 16
MAX_PIXELS = 1 << 27
FIELDS = ("frame", "id", "class", "height", "width", "rle")


@dataclass(frozen=True)
class MotsObject:
    """The mask of an object in a frame.

    Attributes:
        id: as written in the text.
        label: KITTI-MOTS class: 1 car, 2 pedestrian, 10 ignored.
        height: of the image, pixels.
        width: of the image, pixels.
        rle: COCO's run-length text.
    """

    id: int
    label: int
    height: int
    width: int
    rle: bytes

    def mask(self) -> NDArray[np.bool_]:
        """Decode the mask (H,W)."""
        return decode_mask(self.rle, self.height, self.width)


Frames = dict[int, list[MotsObject]]


def mots_texts(root: Path) -> dict[str, Path]:
    """Find KITTI-MOTS texts.

    Args:
        root: a text, or a folder of texts, or a folder whose folder instances_txt holds texts.

    Returns:
        The texts by sequence name. There may be none.
    """
    if root.is_file():
        return {root.stem: root}
    found = list_files(root, ".txt") or list_files(root / "instances_txt", ".txt")
    return {p.stem: p for p in found}


def read_mots_text(path: Path) -> Frames:
    """Read a text. Blank lines and a byte-order mark are skipped.

    Returns:
        The objects by frame number, for frames with objects only.

    Raises:
        InputError: the file cannot be read, a line has another form, or a class is unknown. It is
            also raised if an id is beyond 65534 or twice in a frame, if run lengths do not cover
            the frame, or if frames differ in size.
    """
    frames: Frames = {}
    lines = read_text(path, "take KITTI-MOTS' text format").splitlines()
    first: MotsObject | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        frame, thing = _parse(line, where)
        first = first or thing
        if (thing.height, thing.width) != (first.height, first.width):
            raise InputError(
                f"{where}: is {thing.height}x{thing.width}, the first line"
                f" {first.height}x{first.width}; a sequence has one size"
            )
        others = frames.setdefault(frame, [])
        if thing.label != IGNORE and any(o.id == thing.id and o.label != IGNORE for o in others):
            raise InputError(
                f"{where}: id {thing.id} is in frame {frame} twice; an object has one mask in a"
                " frame"
            )
        others.append(thing)
    return frames


def frame_size(frames: Frames) -> tuple[int, int] | None:
    """Return a sequence's height and width in pixels, or None if it has no object."""
    first = next((objects[0] for objects in frames.values()), None)
    return (first.height, first.width) if first else None


def _parse(line: str, where: str) -> tuple[int, MotsObject]:
    """Read a line as a frame number and an object."""
    parts = line.split()
    if len(parts) != len(FIELDS):
        raise InputError(
            f"{where}: has {len(parts)} fields, KITTI-MOTS has six; write `{' '.join(FIELDS)}`"
        )
    try:
        frame, identity, label, height, width = (int(p) for p in parts[:5])
    except ValueError:
        wrong, text = next(
            (n, p) for n, p in zip(FIELDS, parts, strict=True) if not _is_whole_number(p)
        )
        raise InputError(
            f"{where}: {wrong} {text[:20]!r} is not a whole number; write `{' '.join(FIELDS)}`"
        ) from None
    if label not in (*CLASSES, IGNORE):
        raise InputError(
            f"{where}: class {label} is none of 1 car, 2 pedestrian, 10 ignored; leave out other"
            " classes"
        )
    if not 0 <= frame <= np.iinfo(np.int32).max:
        raise InputError(
            f"{where}: frame {frame} is no frame number; KITTI-MOTS counts frames from 0"
        )
    if not 0 < min(height, width) <= max(height, width) <= MAX_SIDE or height * width > MAX_PIXELS:
        raise InputError(
            f"{where}: {height}x{width} is no image's size; check the columns height and width"
        )
    if not 0 <= identity <= MAX_ID:
        raise InputError(
            f"{where}: id {identity} is not within 0..{MAX_ID}; KITTI-MOTS' are class * 1000 +"
            " number"
        )
    rle = parts[5].encode()
    try:
        covering_runs(rle, height, width)
    except ValueError as error:
        raise InputError(f"{where}: the mask {error}; take the file anew") from None
    return frame, MotsObject(identity, label, height, width, rle)


def _is_whole_number(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def instance_number(thing: MotsObject) -> int:
    """Return the instance number, 1..65535, of an object's id.

    An id of the form class * 1000 + number has the instance number number + 1. Different ids of a
    class have different instance numbers, in any form. `mots_id` is the inverse.
    """
    return (thing.id - thing.label * PER_CLASS) % MAX_INSTANCE + 1


def mots_id(label: int, instance: int) -> int:
    """Return the id of a KITTI-MOTS class and an instance number, 1..65535."""
    return (instance - 1 + label * PER_CLASS) % MAX_INSTANCE


def to_panoptic(
    objects: list[MotsObject], shape: tuple[int, int], where: str
) -> tuple[Semantic, Instance]:
    """Draw the objects of a frame.

    Args:
        objects: the frame's objects.
        shape: height and width of the frame, pixels.
        where: names the frame in the message.

    Returns:
        Classes (H,W) uint8 and ids (H,W) int32. Cars and people have their `instance_number`,
        ignored regions are void, and all other pixels have the class 254, "background".

    Raises:
        InputError: two masks share a pixel.
    """
    semantic = np.full(shape, BACKGROUND, np.uint8)
    instance = np.zeros(shape, np.int32)
    for thing in objects:
        mask = thing.mask()
        if (semantic[mask] != BACKGROUND).any():
            raise InputError(
                f"{where}: the mask of id {thing.id} overlaps another; a pixel belongs to one"
                " object"
            )
        semantic[mask] = CLASSES.get(thing.label, VOID)
        instance[mask] = instance_number(thing) if thing.label in CLASSES else 0
    return semantic, instance


def pack_objects(objects: list[MotsObject], shape: tuple[int, int], where: str) -> Packed:
    """Draw the objects of a frame as a packed frame (H,W) uint32, see `to_panoptic`."""
    return pack(*to_panoptic(objects, shape, where))
