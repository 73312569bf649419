"""Finds ground truth and prediction on disk, and pairs the files.

The pairs are checked before anything is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError, suggest
from mapt.io.atomic_folders import check_complete
from mapt.io.listing import by_frame, list_files, list_folders, visible
from mapt.labels.class_sets import CITYSCAPES_VPS, KITTI_STEP, MOTCHALLENGE_STEP
from mapt.labels.mots_text import MotsObject, frame_size, mots_texts, pack_objects, read_mots_text
from mapt.labels.step_png import BACKGROUND, VOID, Packed, read_packed
from mapt.metrics.histogram import JointHistogram, joint_histogram

LABELS = {
    "kitti-step": KITTI_STEP,
    "motchallenge-step": MOTCHALLENGE_STEP,
    "cityscapes-vps": CITYSCAPES_VPS,
    "kitti-mots": KITTI_STEP,
}
THINGS_ONLY = "kitti-mots"  # its ground truth knows things, ignored regions and background


def check_dataset_name(dataset: str) -> None:
    """Raise InputError unless `dataset` is one of `LABELS`."""
    if dataset not in LABELS:
        raise InputError(f"--dataset {dataset}: unknown; {suggest(dataset, LABELS)}")


class LabelReader(Protocol):
    """Reads one side of a frame."""

    def __call__(self) -> Packed:
        """A packed frame (H,W) uint32."""
        ...


@dataclass(frozen=True)
class FramePair:
    """One frame of a sequence: how to read both sides and what to call them in a message."""

    sequence: str
    gt_name: str
    pred_name: str
    read_gt: LabelReader
    read_pred: LabelReader

    def count(self, dataset: str) -> JointHistogram:
        """Read both sides and count them against each other.

        Raises:
            InputError: unreadable files, differing sizes, or a class the dataset does not have.
        """
        gt = self.read_gt()
        pred = self.read_pred()
        if gt.shape != pred.shape:
            raise InputError(
                f"{self.pred_name}: is {pred.shape[0]}x{pred.shape[1]}, its ground truth "
                f"{gt.shape[0]}x{gt.shape[1]}; predict at the input's size"
            )
        histogram = joint_histogram(gt, pred, LABELS[dataset].things)
        _check_classes(self.gt_name, histogram.gt_class, dataset)
        _check_classes(self.pred_name, histogram.pred_class, dataset)
        return (
            histogram.map_pred_classes(_STUFF_TO_BACKGROUND)
            if dataset == THINGS_ONLY
            else histogram
        )


# Every stuff pixel as background, for ground truth that knows only things; void stays.
_STUFF_TO_BACKGROUND = np.full(256, BACKGROUND, np.uint8)
_STUFF_TO_BACKGROUND[[*KITTI_STEP.things, VOID]] = [*KITTI_STEP.things, VOID]


def _check_classes(name: str, classes: NDArray[np.int64], dataset: str) -> None:
    unknown = unknown_class(classes, dataset)
    if unknown is not None:
        last = len(LABELS[dataset].classes) - 1
        raise InputError(
            f"{name}: has class {unknown}, {dataset} knows 0..{last} and 255; check --dataset"
        )


def unknown_class(classes: NDArray[np.int64], dataset: str) -> int | None:
    """The lowest of `classes` (n,) that the dataset does not have; None: it knows all."""
    allowed = {VOID} | ({BACKGROUND} if dataset == THINGS_ONLY else set())
    known = len(LABELS[dataset].classes)
    return next((int(c) for c in np.unique(classes) if c >= known and c not in allowed), None)


def pair_frames(
    gt: Path,
    pred: Path,
    dataset: str,
    sequences: list[str] | None = None,
    labelled_only: bool = False,
) -> list[FramePair]:
    """Every frame of both sides, matched by sequence and number.

    Args:
        gt: ground truth: `<seq>/<frame>.png` in the folder or under its panoptic_maps/<split>; for
            kitti-mots also `<seq>.txt` files or one such file.
        pred: `<seq>/<frame>.png` in the folder or under its `step`.
        dataset: name.
        sequences: restrict to these.
        labelled_only: leave predictions of frames without ground truth out; for KITTI-MOTS, of
            frames without objects.

    Raises:
        InputError: nothing there, a frame twice, or a sequence or frame that only one side has.
    """
    predicted = _folders(_inner(pred, "step"))
    texts = mots_texts(gt) if dataset == THINGS_ONLY else {}
    if texts:
        names = _chosen(sequences, texts, predicted, gt, pred)
        return [
            p
            for name in names
            for p in _pair_text(name, texts[name], predicted[name], labelled_only)
        ]
    truth = _folders(_inner(gt, "panoptic_maps"))
    names = _chosen(sequences, truth, predicted, gt, pred)
    return [
        p
        for name in names
        for p in _pair_folders(name, truth[name], predicted[name], labelled_only)
    ]


def _inner(root: Path, name: str) -> Path:
    """`root`, or the labels below it: root/<name>, and below panoptic_maps its only split."""
    if not root.exists():
        raise InputError(f"{root}: no such file or folder; check the path")
    folder = root / name
    if not folder.is_dir():
        return root
    if name != "panoptic_maps":
        return folder
    splits = list_folders(folder)
    if len(splits) != 1:
        found = ", ".join(p.name for p in splits) or "none"
        raise InputError(f"{folder}: has the splits {found}; name one, e.g. {folder}/val")
    return splits[0]


def _folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder of <sequence>/<frame>.png; check the path")
    found = png_folders(root)
    if not found:
        raise InputError(f"{root}: holds no <sequence>/<frame>.png; check the path")
    return found


def png_folders(root: Path, pattern: str = "*") -> dict[str, Path]:
    """Find the folders `root/<pattern>` that hold PNGs, by their path below `root`.

    If there are none, the result is `root` itself, by its name.
    """
    found = [p for p in visible(root.glob(pattern)) if list_files(p, ".png")]
    if not found and list_files(root, ".png"):
        return {root.name: root}
    return {p.relative_to(root).as_posix(): p for p in found}


def _chosen(
    wanted: list[str] | None,
    gt: dict[str, Path],
    pred: dict[str, Path],
    gt_root: Path,
    pred_root: Path,
) -> list[str]:
    names = (
        list(dict.fromkeys(wanted)) if wanted is not None else sorted(gt)
    )  # twice would count its frames twice
    if not names:
        raise InputError(f"{gt_root}: no sequence is chosen; name some, or leave --sequences out")
    for name in names:
        if name not in gt:
            raise InputError(f"{gt_root}: has no sequence {name}; it has {', '.join(gt)}")
        if name not in pred:
            raise InputError(
                f"{pred_root}: has no prediction of sequence {name}; predict it, or restrict"
                " --sequences"
            )
    extra = sorted(set(pred) - set(gt)) if wanted is None else []
    if extra:
        raise InputError(
            f"{pred_root}: sequence {extra[0]} has no ground truth; restrict --sequences"
        )
    return names


def _pair_folders(name: str, gt: Path, pred: Path, labelled_only: bool) -> Iterator[FramePair]:
    """Frames of two folders by their number."""
    check_complete(pred)
    truth = by_frame(list_files(gt, ".png"))
    found = by_frame(list_files(pred, ".png"))
    missing = next((path for frame, path in truth.items() if frame not in found), None)
    if missing is not None:
        raise InputError(
            f"{pred / missing.name}: is missing, the ground truth has this frame; predict every"
            " frame"
        )
    extra = next((path for frame, path in found.items() if frame not in truth), None)
    if extra is not None and not labelled_only:
        raise InputError(
            f"{extra}: has no ground truth; remove it, check the sequence, or score the labelled"
            " frames alone with --labelled-only"
        )
    for frame, path in truth.items():
        reads = (partial(read_packed, path), partial(read_packed, found[frame]))
        yield FramePair(name, str(path), str(found[frame]), *reads)


def _pair_text(name: str, text: Path, pred: Path, labelled_only: bool) -> Iterator[FramePair]:
    """Yield the frames of a MOTS text with their predictions.

    Frames without objects are empty. Every frame from the first to the last one must be predicted.
    """
    check_complete(pred)
    objects = read_mots_text(text)
    found: dict[int, Path] = {}
    for (number, _), path in by_frame(list_files(pred, ".png")).items():
        if number < 0:
            raise InputError(
                f"{path}: is not named by its frame's number; KITTI-MOTS counts frames from 0"
            )
        found[number] = path
    if labelled_only:
        lacking = sorted(objects.keys() - found.keys())
        found = {number: path for number, path in found.items() if number in objects}
        if lacking:
            raise InputError(
                f"{pred / f'{lacking[0]:06d}.png'}: is missing, {text} has objects in this frame;"
                " predict every frame"
            )
    known = objects.keys() | found.keys()
    for number in range(min(known), max(known) + 1) if known and not labelled_only else ():
        if number not in found:
            why = (
                f"{text} has objects in this frame"
                if number in objects
                else "frames before and after it are there"
            )
            raise InputError(
                f"{pred / f'{number:06d}.png'}: is missing, {why}; predict every frame"
            )
    size = frame_size(objects)
    for number, path in sorted(found.items()):
        where = f"{text} frame {number}"
        read = partial(_read_text, objects.get(number, []), size, path, where)
        yield FramePair(name, where, str(path), read, partial(read_packed, path))


def _read_text(
    objects: list[MotsObject], size: tuple[int, int] | None, pred: Path, where: str
) -> Packed:
    """Read the ground truth of a frame from a text.

    A text without objects does not state its size. The prediction's size is used then.
    """
    return pack_objects(objects, size or read_packed(pred).shape, where)
