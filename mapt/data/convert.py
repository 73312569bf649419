"""KITTI-MOTS text to STEP PNGs and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mapt.data.mots_text import CLASSES, IGNORE, MotsObject, read_mots_text, to_panoptic
from mapt.data.rle import encode_mask
from mapt.errors import InputError
from mapt.files import atomic_directory
from mapt.panoptic import VOID, Instance, Semantic, read_step, write_step

PER_CLASS = 1000  # KITTI-MOTS' id is class * 1000 + number


def mots_to_step(
    texts: dict[str, Path], out: Path, images: Path | None = None, done: Callable[[], None] | None = None
) -> int:
    """Write `out/<sequence>/<frame:06d>.png` of KITTI-MOTS texts: cars 13, people 11, ignored 255, all else 254.

    Args:
        texts: text file of each sequence.
        out: a new folder; it appears whole or not at all.
        images: holds `<sequence>/<frame>.*`, which say which frames there are; without it a sequence goes from frame 0
            to the last one with an object, because the text says no more.
        done: called after each frame.

    Returns:
        Frames written.

    Raises:
        InputError: a bad text, an object in a frame without an image, or `out` is not new.
    """
    _refuse_existing(out)
    count = 0
    with atomic_directory(out) as folder:
        for name, text in texts.items():
            objects = read_mots_text(text)
            first = next(iter(objects.values()))[0]
            for number in _frames(name, text, objects, images):
                where = f"{text} frame {number}"
                frame = to_panoptic(objects.get(number, []), (first.height, first.width), where)
                write_step(folder / name / f"{number:06d}.png", *frame)
                count += 1
                if done:
                    done()
    return count


def _frames(name: str, text: Path, objects: dict[int, list[MotsObject]], images: Path | None) -> list[int]:
    if images is None:
        return list(range(max(objects) + 1))
    folder = images / name
    found = sorted(int(p.stem) for p in folder.glob("*") if p.stem.isdigit()) if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder}: holds no image named by its frame's number; check --images")
    alone = sorted(set(objects) - set(found))
    if alone:
        raise InputError(f"{text}: has objects in frame {alone[0]}, {folder} has no such image; check --images")
    return found


def step_to_mots(folders: dict[str, Path], out: Path, done: Callable[[], None] | None = None) -> int:
    """Write `out/<sequence>.txt` in KITTI-MOTS' format: cars 1, people 2, void and crowds as one ignored region 10.

    Args:
        folders: PNGs of each sequence, named by their frame's number.
        out: a new folder; it appears whole or not at all.
        done: called after each frame.

    Returns:
        Lines written.

    Raises:
        InputError: a bad PNG or name, an id above 1000 (the format has 1000 a class), or `out` is not new.
    """
    _refuse_existing(out)
    count = 0
    with atomic_directory(out) as root:
        for name, folder in folders.items():
            lines = []
            for path in sorted(folder.glob("*.png")):
                if not path.stem.isdigit():
                    raise InputError(f"{path}: is not named by its frame's number; name frames 000000.png, ...")
                lines += [f"{int(path.stem)} {line}\n" for line in _lines(*read_step(path), path)]
                if done:
                    done()
            target = root / f"{name}.txt"  # the name may hold a split
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(lines))
            count += len(lines)
    return count


def _lines(semantic: Semantic, instance: Instance, path: Path) -> Iterator[str]:
    """The objects of a frame, `id class height width rle`, by id."""
    height, width = semantic.shape
    things = np.isin(semantic, list(CLASSES.values()))
    ignored = (semantic == VOID) | (things & (instance == 0))
    for label, train_id in sorted(CLASSES.items()):
        own = np.where(semantic == train_id, instance, 0)
        for identity in np.flatnonzero(np.bincount(own.ravel())[1:]) + 1:
            if identity > PER_CLASS:
                raise InputError(f"{path}: has id {identity}, KITTI-MOTS has 1..{PER_CLASS} a class; renumber")
            rle = encode_mask(own == identity).decode()
            yield f"{label * PER_CLASS + identity - 1} {label} {height} {width} {rle}"
    if ignored.any():
        yield f"{IGNORE * PER_CLASS} {IGNORE} {height} {width} {encode_mask(ignored).decode()}"


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out}: is already there; name a new folder")
