"""Ground truth and prediction on disk: which files belong together, checked before anything is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.data.mots_text import read_mots_text, to_panoptic
from mapt.errors import InputError
from mapt.panoptic import BACKGROUND, CITYSCAPES_VPS, KITTI_STEP, MOTCHALLENGE_STEP, VOID, read_step

Panoptic = tuple[NDArray[np.uint8], NDArray[np.int32]]
LABELS = {
    "kitti-step": KITTI_STEP, "motchallenge-step": MOTCHALLENGE_STEP, "cityscapes-vps": CITYSCAPES_VPS,
    "kitti-mots": KITTI_STEP,
}  # fmt: skip


class Reader(Protocol):
    """Reads one side of a frame."""

    def __call__(self) -> Panoptic:
        """Semantic (H,W) uint8 and instance (H,W) int32."""
        ...


@dataclass(frozen=True)
class FramePair:
    """One frame of a sequence: how to read both sides and what to call them in a message."""

    sequence: str
    gt_name: str
    pred_name: str
    read_gt: Reader
    read_pred: Reader

    def read(self, dataset: str) -> tuple[Panoptic, Panoptic]:
        """Both sides, checked.

        Raises:
            InputError: unreadable files, differing sizes, or a class the dataset does not have.
        """
        gt, pred = self.read_gt(), self.read_pred()
        if gt[0].shape != pred[0].shape:
            raise InputError(
                f"{self.pred_name}: is {pred[0].shape[0]}x{pred[0].shape[1]}, its ground truth "
                f"{gt[0].shape[0]}x{gt[0].shape[1]}; predict at the input's size"
            )
        for name, (semantic, _) in ((self.gt_name, gt), (self.pred_name, pred)):
            _check_classes(name, semantic, dataset)
        if dataset == "kitti-mots":
            pred = things_only(pred)
        return gt, pred


def things_only(frame: Panoptic) -> Panoptic:
    """Every stuff pixel as background, for ground truth that knows only things; void stays."""
    semantic, instance = frame
    table = np.full(256, BACKGROUND, np.uint8)
    table[[*KITTI_STEP.things, VOID]] = [*KITTI_STEP.things, VOID]
    return np.asarray(cv2.LUT(semantic, table), np.uint8), instance


def _check_classes(name: str, semantic: NDArray[np.uint8], dataset: str) -> None:
    counts = np.bincount(semantic.ravel(), minlength=256)
    allowed = {VOID} | ({BACKGROUND} if dataset == "kitti-mots" else set())
    known = len(LABELS[dataset].classes)
    unknown = next((int(c) for c in np.flatnonzero(counts) if c >= known and c not in allowed), None)
    if unknown is not None:
        raise InputError(f"{name}: has class {unknown}, {dataset} knows 0..{known - 1} and 255; check --dataset")


def pair_frames(gt: Path, pred: Path, dataset: str, sequences: list[str] | None = None) -> list[FramePair]:
    """Every frame of both sides, matched by sequence and number.

    Args:
        gt: ground truth: `<seq>/<frame>.png` in the folder or under its panoptic_maps/<split>; for kitti-mots
            `<seq>.txt` files or one such file.
        pred: `<seq>/<frame>.png` in the folder or under its `step`.
        dataset: name.
        sequences: restrict to these.

    Raises:
        InputError: nothing there, or a sequence or frame that only one side has.
    """
    predicted = _folders(_inner(pred, "step"))
    if dataset == "kitti-mots":
        texts = _texts(gt)
        names = _chosen(sequences, texts, predicted, gt, pred)
        return [p for name in names for p in _pair_text(name, texts[name], predicted[name])]
    truth = _folders(_inner(gt, "panoptic_maps"))
    names = _chosen(sequences, truth, predicted, gt, pred)
    return [p for name in names for p in _pair_folders(name, truth[name], predicted[name])]


def _inner(root: Path, name: str) -> Path:
    """`root`, or the labels below it: root/<name>, and below panoptic_maps its only split."""
    if not root.exists():
        raise InputError(f"{root}: no such file or folder; check the path")
    folder = root / name
    if not folder.is_dir():
        return root
    if name != "panoptic_maps":
        return folder
    splits = [p for p in sorted(folder.iterdir()) if p.is_dir()]
    if len(splits) != 1:
        found = ", ".join(p.name for p in splits) or "none"
        raise InputError(f"{folder}: has the splits {found}; name one, e.g. {folder}/val")
    return splits[0]


def _folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder of <sequence>/<frame>.png; check the path")
    found = {p.name: p for p in sorted(root.iterdir()) if p.is_dir() and any(p.glob("*.png"))}
    if not found and any(root.glob("*.png")):
        return {root.name: root}
    if not found:
        raise InputError(f"{root}: holds no <sequence>/<frame>.png; check the path")
    return found


def _texts(root: Path) -> dict[str, Path]:
    if root.is_file():
        return {root.stem: root}
    found = sorted(root.glob("*.txt")) or sorted((root / "instances_txt").glob("*.txt"))
    if not found:
        raise InputError(f"{root}: holds no <sequence>.txt of KITTI-MOTS; check the path")
    return {p.stem: p for p in found}


def _chosen(
    wanted: list[str] | None, gt: dict[str, Path], pred: dict[str, Path], gt_root: Path, pred_root: Path
) -> list[str]:
    names = list(dict.fromkeys(wanted)) if wanted is not None else sorted(gt)  # twice would count its frames twice
    if not names:
        raise InputError(f"{gt_root}: no sequence is chosen; name some, or leave --sequences out")
    for name in names:
        if name not in gt:
            raise InputError(f"{gt_root}: has no sequence {name}; it has {', '.join(gt)}")
        if name not in pred:
            raise InputError(f"{pred_root}: has no prediction of sequence {name}; predict it, or restrict --sequences")
    extra = sorted(set(pred) - set(gt)) if wanted is None else []
    if extra:
        raise InputError(f"{pred_root}: sequence {extra[0]} has no ground truth; restrict --sequences")
    return names


def _pair_folders(name: str, gt: Path, pred: Path) -> Iterator[FramePair]:
    truth, found = ({p.name: p for p in sorted(folder.glob("*.png"))} for folder in (gt, pred))
    for frame in sorted(set(truth) | set(found)):
        if frame not in found:
            raise InputError(f"{pred / frame}: is missing, the ground truth has this frame; predict every frame")
        if frame not in truth:
            raise InputError(f"{pred / frame}: has no ground truth; remove it, or check the sequence")
        reads = (partial(read_step, truth[frame]), partial(read_step, found[frame]))
        yield FramePair(name, str(truth[frame]), str(found[frame]), *reads)


def _pair_text(name: str, text: Path, pred: Path) -> Iterator[FramePair]:
    """Frames of a MOTS text: predictions must cover every frame with objects; frames without any are empty."""
    objects = read_mots_text(text)
    first = next(iter(objects.values()))[0]
    found: dict[int, Path] = {}
    for path in sorted(pred.glob("*.png")):
        if not path.stem.isdigit():
            raise InputError(f"{path}: is not named by its frame's number; KITTI-MOTS counts frames from 0")
        found[int(path.stem)] = path
    missing = sorted(set(objects) - set(found))
    if missing:
        raise InputError(f"{pred / f'{missing[0]:06d}.png'}: is missing, {text} has objects in this frame; predict it")
    for number, path in sorted(found.items()):
        read = partial(to_panoptic, objects.get(number, []), (first.height, first.width))
        yield FramePair(name, f"{text} frame {number}", str(path), read, partial(read_step, path))
