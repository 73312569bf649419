"""KITTI-MOTS ground truth as text: one line an object, `frame id class height width rle`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.panoptic import BACKGROUND, VOID

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
        from pycocotools import mask as coco

        encoded: Any = {"size": [self.height, self.width], "counts": self.rle}
        decoded: NDArray[np.bool_] = coco.decode(encoded).astype(bool)
        return decoded


def read_mots_text(path: Path) -> dict[int, list[MotsObject]]:
    """The objects of each frame that has any.

    Raises:
        InputError: unreadable file or a line of another form.
    """
    frames: dict[int, list[MotsObject]] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the path") from None
    for number, line in enumerate(lines, 1):
        parts = line.split()
        try:
            frame, identity, label, height, width = (int(p) for p in parts[:5])
            known = len(parts) == 6 and label in (*CLASSES, IGNORE) and min(frame, height - 1, width - 1) >= 0
        except ValueError:
            known = False
        if not known:
            raise InputError(f"{path}:{number}: is not `frame id class height width rle`; take KITTI-MOTS' text format")
        frames.setdefault(frame, []).append(MotsObject(identity, label, height, width, parts[5].encode()))
    if not frames:
        raise InputError(f"{path}: holds no object; check that it is KITTI-MOTS' ground truth")
    return frames


def to_panoptic(objects: list[MotsObject], shape: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Objects of a frame as (semantic (H,W) uint8, instance (H,W) int32).

    Cars and people keep their instance number + 1, ignore regions are void, all else is class 254 "background".
    """
    semantic = np.full(shape, BACKGROUND, np.uint8)
    instance = np.zeros(shape, np.int32)
    for thing in objects:
        mask = thing.mask()
        semantic[mask] = CLASSES.get(thing.label, VOID)
        instance[mask] = thing.id % 1000 + 1 if thing.label in CLASSES else 0
    return semantic, instance
