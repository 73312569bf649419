"""Reads the layouts of KITTI-STEP and MOTChallenge-STEP.

It accepts the published layouts, deeplab2's, and that of `mapt synth`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.registry import Dataset
from mapt.data.labelled_video import Clip, LabelledFrame, Video, check_classes, check_size
from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.io.listing import IMAGES, by_frame, list_files, list_folders
from mapt.labels.class_files import CLASS_FILE, read_class_set
from mapt.labels.class_sets import KITTI_STEP, MOTCHALLENGE_STEP, ClassSet
from mapt.labels.step_png import Instance, Semantic, read_step

Labelled = tuple[NDArray[np.uint8], tuple[Semantic, Instance], int]  # image, label, time in ns


@dataclass(frozen=True)
class Sequence:
    """The files of a sequence.

    Attributes:
        name: of the sequence.
        images: image of each frame.
        labels: label of each frame.
    """

    name: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]


def list_sequences(root: Path, split: str, bad: BadFiles | None = None) -> list[Sequence]:
    """List the sequences of `panoptic_maps/<split>` with their images.

    Images are PNG or JPEG files in `training/image_02/<seq>` or `image_02/<seq>` (KITTI),
    `images/<split>/<seq>` (deeplab2), or its folder `img1` (MOTChallenge).

    Args:
        root: the dataset's folder.
        split: the folder of a split.
        bad: decides what happens to labels without an image; by default they raise.

    Raises:
        InputError: a folder is missing or empty, or a label has no image and is not skipped.
    """
    bad = bad or BadFiles()
    labels = root / "panoptic_maps" / split
    if not labels.is_dir():
        raise InputError(
            f"{labels}: no such folder; {root} must hold"
            f" panoptic_maps/{split}/<sequence>/<frame>.png"
        )
    found = []
    for folder in list_folders(labels):
        images = (
            image_folder(root, split, folder.name) or root / "training" / "image_02" / folder.name
        )
        pairs = []
        pictures = by_frame(list_files(images, *IMAGES))
        for key, label in by_frame(list_files(folder, ".png")).items():
            image = pictures.get(key)
            if image is None:
                bad.report(
                    f"{images / label.name}: image of a labelled frame is missing; copy it or"
                    " remove its label"
                )
            else:
                pairs.append((image, label))
        if pairs:
            found.append(
                Sequence(folder.name, tuple(i for i, _ in pairs), tuple(p for _, p in pairs))
            )
    if not found:
        raise InputError(
            f"{labels}: holds no sequence with PNG labels and their images; check the dataset's"
            " path"
        )
    return found


def image_folder(root: Path, split: str, name: str) -> Path | None:
    """Find the folder of a sequence's images, see `list_sequences`; None if there is none."""
    places = (
        root / "training" / "image_02" / name,
        root / "image_02" / name,
        root / "images" / split / name / "img1",
        root / "images" / split / name,
    )
    return next((p for p in places if p.is_dir()), None)


def read_labelled(sequence: Sequence, fps: float, labels: ClassSet) -> Iterator[Labelled]:
    """Yield the frames of a labelled sequence in order.

    Args:
        sequence: its files.
        fps: frames per second, for the times.
        labels: the dataset's classes.

    Yields:
        The image (H,W,3) uint8 RGB, the label as a pair of classes (H,W) uint8 and ids (H,W) int32,
        and the time in ns, which follows from the frame's number.

    Raises:
        InputError: an image or label cannot be read, their sizes differ, a class is none of
            `labels`, or a file is not named by its frame's number.
    """
    for image_path, label_path in zip(sequence.images, sequence.labels, strict=True):
        image = read_rgb(image_path)
        truth = read_step(label_path)
        check_classes(truth[0], labels, str(label_path))
        check_size(image, truth[0], str(label_path))
        yield image, truth, round(frame_number(image_path) * 1e9 / fps)


def open_step(
    root: Path,
    split: str,
    intervals: tuple[int, ...],
    labels: ClassSet = KITTI_STEP,
    bad: BadFiles | None = None,
) -> Video:
    """Open the triplets of a folder with STEP's PNG labels.

    Args:
        root: the dataset's folder.
        split: the folder of a split.
        intervals: the choices for the interval tau, in frames.
        labels: the dataset's classes.
        bad: decides what happens to bad files; by default they raise.

    Raises:
        InputError: a folder, an image or a frame's number is missing.
    """
    bad = bad or BadFiles()
    clips = [
        Clip(s.name, [_frame(i, p) for i, p in zip(s.images, s.labels, strict=True)])
        for s in list_sequences(root, split, bad)
    ]
    return Video(root, clips, labels, intervals, bad)


def _frame(image: Path, label: Path) -> LabelledFrame:
    return LabelledFrame(frame_number(label), image, str(label), partial(read_step, label))


def frame_number(path: Path) -> int:
    """Return the frame's number, after which its file is named.

    Raises:
        InputError: the file's name is not a number.
    """
    if not (path.stem.isascii() and path.stem.isdecimal()):
        raise InputError(
            f"{path}: is not named by its frame's number; name frames 000000.png, 000001.png, ..."
        )
    return int(path.stem)


def _open_kitti(root: Path, split: str, intervals: tuple[int, ...], bad: BadFiles) -> Video:
    own = root / CLASS_FILE  # as `mapt data convert` writes it
    labels = read_class_set(str(own)) if own.is_file() else KITTI_STEP
    return open_step(root, split, intervals, labels, bad)


def _open_motchallenge(root: Path, split: str, intervals: tuple[int, ...], bad: BadFiles) -> Video:
    return open_step(root, split, intervals, MOTCHALLENGE_STEP, bad)


DATASETS = (
    Dataset("step", "a KITTI-STEP folder", _open_kitti, place=0),
    Dataset(
        "motchallenge",
        "a MOTChallenge-STEP folder",
        _open_motchallenge,
        heights=(540.0, 1080.0),
        place=1,
    ),
)
