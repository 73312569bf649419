"""Reads the stills of Cityscapes' gtFine, each with one label file `*_instanceIds.png`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.registry import Dataset
from mapt.data.static_images import Stills, pair_files
from mapt.errors import InputError
from mapt.io.listing import visible
from mapt.labels.gray_png import read_grey
from mapt.labels.step_png import VOID, Instance, Semantic

# The train id of each published label id. Other labels, such as ego vehicle, parking or bridge, are
# void.
LABELS = 34
TRAIN_IDS = np.full(LABELS, VOID, np.uint8)
TRAIN_IDS[[7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]] = np.arange(
    19
)
LABEL_SUFFIX = "_gtFine_instanceIds.png"
IMAGE_SUFFIX = "_leftImg8bit.png"
PER_LABEL = 1000  # a single object has the value label id * 1000 + its number


def open_cityscapes(root: Path, split: str = "train", bad: BadFiles | None = None) -> Stills:
    """Open the stills of `gtFine/<split>/<city>` and `leftImg8bit/<split>/<city>`.

    Args:
        root: the dataset's folder.
        split: "train" or "val".
        bad: decides what happens to bad files; by default they raise.

    Raises:
        InputError: there is no label, or a label has no image and is not skipped.
    """
    bad = bad or BadFiles()
    folder = root / "gtFine" / split
    pictures = root / "leftImg8bit" / split
    labels = visible(folder.glob(f"[!.]*/*{LABEL_SUFFIX}"))
    if not labels:
        raise InputError(
            f"{folder}: no <city>/*{LABEL_SUFFIX}; {root} must hold Cityscapes' gtFine and"
            " leftImg8bit"
        )
    names = [
        pictures / p.parent.name / (p.name.removesuffix(LABEL_SUFFIX) + IMAGE_SUFFIX)
        for p in labels
    ]
    return Stills(
        pair_files(pictures, labels, [p if p.is_file() else None for p in names], bad),
        read_cityscapes,
        bad,
    )


def read_cityscapes(path: Path) -> tuple[Semantic, Instance]:
    """Read a label.

    Returns:
        Train ids (H,W) uint8, and ids (H,W) int32 that count from 1 within each class. A group of
        objects has id 0, which marks a crowd.

    Raises:
        InputError: the file is not a grey 16-bit PNG, or has an unknown label id.
    """
    ids = read_grey(path, 16)
    single = ids >= PER_LABEL
    label = np.where(single, ids // PER_LABEL, ids)
    if label.max() >= LABELS:
        raise InputError(
            f"{path}: has label id {int(label.max())}, Cityscapes' are 0..{LABELS - 1}; take it"
            " anew"
        )
    return TRAIN_IDS[label], np.where(single, ids % PER_LABEL + 1, 0).astype(np.int32)


def _open(root: Path, split: str, _: tuple[int, ...], bad: BadFiles) -> Stills:
    return open_cityscapes(root, split, bad)


DATASETS = (
    Dataset("cityscapes", "Cityscapes (research use only)", _open, heights=(256.0, 768.0), place=3),
)
