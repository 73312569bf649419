"""KITTI-MOTS ground truth as text: one line an object, `frame id class height width rle`."""

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
PER_CLASS = 1000  # an id is class * 1000 + number, by convention
MAX_ID = (
    MAX_INSTANCE - 1
)  # so that every id has an instance number of its own, see `instance_number`
MAX_SIDE = 1 << 16
MAX_PIXELS = 1 << 27
FIELDS = ("frame", "id", "class", "height", "width", "rle")


@dataclass(frozen=True)
class MotsObject:
    """One mask: its id and class as written, image size and COCO run lengths."""

    id: int
    label: int
    height: int
    width: int
    rle: bytes

    def mask(self) -> NDArray[np.bool_]:
        """The mask (H,W) bool."""
        return decode_mask(self.rle, self.height, self.width)


Frames = dict[int, list[MotsObject]]


def mots_texts(root: Path) -> dict[str, Path]:
    """Find the KITTI-MOTS texts by sequence.

    They are `root` itself, in `root`, or in its folder instances_txt. The result may be empty.
    """
    if root.is_file():
        return {root.stem: root}
    found = list_files(root, ".txt") or list_files(root / "instances_txt", ".txt")
    return {p.stem: p for p in found}


def read_mots_text(path: Path) -> Frames:
    """The objects of each frame that has any; empty for a sequence without objects.

    Blank lines and a byte-order mark are passed over.

    Raises:
        InputError: unreadable file, a line of another form, a class that KITTI-MOTS does not have,
            run lengths that do not cover the frame, an id beyond 65534 or twice in a frame, or
            frames of different sizes.
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
    """Height and width of a sequence; None without objects, where the text does not say."""
    first = next((objects[0] for objects in frames.values()), None)
    return (first.height, first.width) if first else None


def _parse(line: str, where: str) -> tuple[int, MotsObject]:
    """The frame and object of a line."""
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
    """Return an instance number in 1..65535 for an object's id.

    For an id in the form of its class, it is the number in the id plus 1.

    Within a class different ids have different numbers, whatever their form; `mots_id` is the way
    back.
    """
    return (thing.id - thing.label * PER_CLASS) % MAX_INSTANCE + 1


def mots_id(label: int, instance: int) -> int:
    """The id of an instance number in 1..65535 of a KITTI-MOTS class."""
    return (instance - 1 + label * PER_CLASS) % MAX_INSTANCE


def to_panoptic(
    objects: list[MotsObject], shape: tuple[int, int], where: str
) -> tuple[Semantic, Instance]:
    """Objects of a frame as (semantic (H,W) uint8, instance (H,W) int32).

    Cars and people get their `instance_number`, ignore regions are void, all else is class 254
    "background".

    Raises:
        InputError: two masks share a pixel; `where` names the frame.
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
    """The same as a packed frame (H,W) uint32."""
    return pack(*to_panoptic(objects, shape, where))
