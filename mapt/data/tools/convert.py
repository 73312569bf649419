"""Converts KITTI-MOTS texts to STEP PNGs and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mapt.errors import InputError
from mapt.io.atomic_folders import published
from mapt.io.image_files import read_rgb
from mapt.io.listing import IMAGES, by_frame, list_files
from mapt.labels.mots_text import (
    CLASSES,
    IGNORE,
    PER_CLASS,
    Frames,
    frame_size,
    mots_id,
    read_mots_text,
    to_panoptic,
)
from mapt.labels.rle import encode_mask
from mapt.labels.step_png import VOID, Instance, Semantic, read_step, write_step


def mots_to_step(
    texts: dict[str, Path],
    out: Path,
    images: Path | None = None,
    done: Callable[[], None] | None = None,
) -> int:
    """Convert KITTI-MOTS texts to PNGs `out/<sequence>/<frame:06d>.png`.

    Cars become 13, people 11, ignored regions 255, and everything else 254.

    Args:
        texts: the text file of each sequence.
        out: a new folder, which appears whole or not at all.
        images: contains `<sequence>/<frame>.*`, which determine the frames of each sequence.
            Without it, a sequence ends at the last frame with an object, because the text says no
            more.
        done: called after each frame.

    Returns:
        The number of frames written.

    Raises:
        InputError: a bad text, an object in a frame without an image, or `out` is not new.
    """
    _refuse_existing(out)
    count = 0
    with published(out) as folder:
        for name, text in texts.items():
            objects = read_mots_text(text)
            found = None if images is None else _numbered_images(images / name)
            numbers = range(max(objects, default=-1) + 1) if found is None else sorted(found)
            size = _size(text, objects, found)
            for number in numbers:
                frame = to_panoptic(objects.get(number, []), size, f"{text} frame {number}")
                write_step(folder / name / f"{number:06d}.png", *frame)
                count += 1
                if done:
                    done()
    return count


def _numbered_images(folder: Path) -> dict[int, Path]:
    """Return the images of a sequence by frame number."""
    found = {
        number: path
        for (number, _), path in by_frame(list_files(folder, *IMAGES)).items()
        if number >= 0
    }
    if not found:
        raise InputError(f"{folder}: holds no image named by its frame's number; check --images")
    return found


def _size(text: Path, objects: Frames, images: dict[int, Path] | None) -> tuple[int, int]:
    """Return height and width of a sequence's frames, from an image if the text has no object.

    Raises:
        InputError: there is neither an object nor an image, or an object's frame has no image.
    """
    size = frame_size(objects)
    if images is None:
        if size is None:
            raise InputError(
                f"{text}: holds no object, so nothing says its frames; name their images with"
                " --images"
            )
        return size
    unpaired = sorted(objects.keys() - images.keys())
    if unpaired:
        folder = next(iter(images.values())).parent
        raise InputError(
            f"{text}: has objects in frame {unpaired[0]}, {folder} has no such image; check"
            " --images"
        )
    if size is None:
        height, width, _ = read_rgb(next(iter(images.values()))).shape
        return height, width
    return size


def step_to_mots(
    folders: dict[str, Path], out: Path, done: Callable[[], None] | None = None
) -> int:
    """Convert PNGs to texts `out/<sequence>.txt` in KITTI-MOTS' format.

    Cars become 1 and people 2. Void and crowds become one ignored region 10.

    Args:
        folders: the folder of PNGs of each sequence. PNGs are named by their frame's number.
        out: a new folder, which appears whole or not at all.
        done: called after each frame.

    Returns:
        The number of lines written.

    Raises:
        InputError: a PNG or its name is bad, `out` exists, or an id above 1000 collides with an id
            of the other class in KITTI-MOTS' numbering.
    """
    _refuse_existing(out)
    count = 0
    with published(out) as root:
        for name, folder in folders.items():
            lines = list[str]()
            owners = dict[int, int]()
            for (number, _), path in by_frame(list_files(folder, ".png")).items():
                if number < 0:
                    raise InputError(
                        f"{path}: is not named by its frame's number; name frames 000000.png, ..."
                    )
                lines += [f"{number} {line}\n" for line in _lines(*read_step(path), path, owners)]
                if done:
                    done()
            target = root / f"{name}.txt"  # the name may hold a split
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(lines))
            count += len(lines)
    return count


def _lines(
    semantic: Semantic, instance: Instance, path: Path, owners: dict[int, int]
) -> Iterator[str]:
    """Yield the objects of a frame by id, as lines `id class height width rle`.

    `owners` maps every id written so far to its class, and is updated.
    """
    height, width = semantic.shape
    things = np.isin(semantic, list(CLASSES.values()))
    ignored = (semantic == VOID) | (things & (instance == 0))
    for label, train_id in sorted(CLASSES.items()):
        own = np.where(semantic == train_id, instance, 0)
        for identity in np.flatnonzero(np.bincount(own.ravel())[1:]) + 1:
            written = mots_id(label, int(identity))
            if owners.setdefault(written, label) != label:
                raise InputError(
                    f"{path}: has id {identity}, which becomes {written}, an object of the other"
                    f" class; number the objects of a class 1..{PER_CLASS}"
                )
            rle = encode_mask(own == identity).decode()
            yield f"{written} {label} {height} {width} {rle}"
    if ignored.any():
        yield f"{IGNORE * PER_CLASS} {IGNORE} {height} {width} {encode_mask(ignored).decode()}"


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out}: is already there; name a new folder")
