"""One frame of ground truth and prediction: how both sides are read and counted."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError, suggest
from mapt.labels.class_files import read_class_set
from mapt.labels.class_sets import CITYSCAPES_VPS, KITTI_STEP, MOTCHALLENGE_STEP, ClassSet
from mapt.labels.step_png import BACKGROUND, VOID, Packed
from mapt.metrics.histogram import JointHistogram, joint_histogram

LABELS = {
    "kitti-step": KITTI_STEP,
    "motchallenge-step": MOTCHALLENGE_STEP,
    "cityscapes-vps": CITYSCAPES_VPS,
    "kitti-mots": KITTI_STEP,
}
THINGS_ONLY = "kitti-mots"  # its ground truth knows things, ignored regions and background


@functools.cache
def labels_of(dataset: str) -> ClassSet:
    """The classes of a dataset.

    Args:
        dataset: one of `LABELS`, or a file that names classes, see `read_class_set`. A file is read
            once.

    Raises:
        InputError: neither.
    """
    if dataset in LABELS:
        return LABELS[dataset]
    if not Path(dataset).suffix:
        raise InputError(
            f"--dataset {dataset}: unknown; {suggest(dataset, LABELS)}, or a file that names"
            " classes"
        )
    return read_class_set(dataset)


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
        histogram = joint_histogram(gt, pred, labels_of(dataset).things)
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
        last = len(labels_of(dataset).classes) - 1
        raise InputError(
            f"{name}: has class {unknown}, {dataset} knows 0..{last} and 255; check --dataset"
        )


def unknown_class(classes: NDArray[np.int64], dataset: str) -> int | None:
    """The lowest of `classes` (n,) that the dataset does not have; None: it knows all."""
    allowed = {VOID} | ({BACKGROUND} if dataset == THINGS_ONLY else set())
    known = len(labels_of(dataset).classes)
    return next((int(c) for c in np.unique(classes) if c >= known and c not in allowed), None)
