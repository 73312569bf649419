"""Spoils KITTI-MOTS masks as trackers do.

Masks are lost, shifted and invented, and ids and classes change.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.labels.mots_text import CLASSES, IGNORE, Frames, MotsObject
from mapt.labels.rle import encode_mask

DROPPED = 0.1  # share of the masks
FAR_SHIFTED = 0.15  # share of the masks that move by up to FAR pixels, the others by up to NEAR
NEAR = 3
FAR = 14
NEW_ID = 0.02  # share of the masks from which on a track has another id
SWAPPED = 0.05  # share of the frames from which on two tracks have each other's id
OTHER_CLASS = 0.02  # share of the masks
FALSE = 0.05  # share of the masks that appear a second time, elsewhere
ON_IGNORED = 0.5  # share of the ignored regions on which something is predicted
FIRST_ID = 10_000  # predicted ids are unlike those of the ground truth

Mask = NDArray[np.bool_]


def perturb(frames: Frames, seed: int) -> Frames:
    """Predictions that resemble the objects of a sequence, without overlaps.

    Args:
        frames: objects by frame number, ignored regions included.
        seed: the same seed gives the same predictions.
    """
    rng = np.random.default_rng(seed)
    ids: dict[int, int] = {}
    out: Frames = {}
    issued = FIRST_ID
    for number in sorted(frames):
        taken: Mask | None = None
        for truth, label, mask in _guesses(frames[number], rng):
            taken = np.zeros_like(mask) if taken is None else taken
            free = mask & ~taken
            taken |= mask
            if not free.any():
                continue
            identity = None if truth is None else ids.get(truth)
            if identity is None or rng.random() < NEW_ID:
                issued += 1
                identity = issued
            if truth is not None:
                ids[truth] = identity
            height, width = free.shape
            guess = MotsObject(identity, label, height, width, encode_mask(free))
            out.setdefault(number, []).append(guess)
        seen = sorted({o.id for o in frames[number] if o.id in ids})
        if len(seen) > 1 and rng.random() < SWAPPED:
            first, second = rng.choice(seen, 2, replace=False)
            ids[first], ids[second] = ids[second], ids[first]
    return out


def _guesses(
    objects: list[MotsObject], rng: np.random.Generator
) -> Iterator[tuple[int | None, int, Mask]]:
    """What is predicted in a frame: the true object's id (None: false), the class, the mask."""
    for thing in objects:
        mask = thing.mask()
        if thing.label == IGNORE:
            if rng.random() < ON_IGNORED:
                yield None, int(rng.choice(list(CLASSES))), _part(mask, rng)
            continue
        if rng.random() < DROPPED:
            continue
        reach = FAR if rng.random() < FAR_SHIFTED else NEAR
        label = thing.label
        if rng.random() < OTHER_CLASS:
            label = next(c for c in CLASSES if c != label)
        yield thing.id, label, shift(mask, *rng.integers(-reach, reach + 1, 2))
        if rng.random() < FALSE:
            yield None, thing.label, shift(mask, *rng.integers(-60, 61, 2))


def shift(mask: Mask, down: int, right: int) -> Mask:
    """The mask (H,W) moved by so many pixels; what leaves the frame is lost."""
    height, width = mask.shape
    down = min(max(down, -height), height)
    right = min(max(right, -width), width)
    moved = np.zeros_like(mask)
    source = mask[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    moved[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = source
    return moved


def _part(mask: Mask, rng: np.random.Generator) -> Mask:
    """The columns of a region around one of its pixels."""
    column = int(rng.choice(np.flatnonzero(mask.any(0))))
    part = np.zeros_like(mask)
    part[:, column : column + 30] = mask[:, column : column + 30]
    return part


def write_mots_text(path: Path, frames: Frames) -> None:
    """Write objects as KITTI-MOTS text."""
    path.write_text(
        "".join(
            f"{number} {o.id} {o.label} {o.height} {o.width} {o.rle.decode()}\n"
            for number in sorted(frames)
            for o in frames[number]
        )
    )
