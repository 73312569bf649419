"""Labelled video: triplets of frames tau apart, whatever the layout on disk."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.cores import usable_cores
from mapt.data.datasets.bad_files import BadFiles
from mapt.data.triplet import Triplet
from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.io.prefetch import map_ahead
from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import VOID, Instance, Semantic

MIN_PIXELS = 100  # of a class, before a frame counts as showing it


@dataclass(frozen=True)
class LabelledFrame:
    """One frame: its number, its image, the name of its label, and how to read the label.

    Messages use the name of the label.
    """

    number: int
    image: Path
    label: str
    read: Callable[[], tuple[Semantic, Instance]]


@dataclass(frozen=True)
class Clip:
    """The labelled frames of a sequence."""

    name: str
    frames: Sequence[LabelledFrame]


class Video:
    """Triplets of labelled clips; the interval tau is drawn from `intervals`, in frames."""

    def __init__(
        self,
        root: Path,
        clips: list[Clip],
        labels: ClassSet,
        intervals: tuple[int, ...],
        bad: BadFiles | None = None,
    ) -> None:
        self.labels = labels
        self.intervals = intervals
        self.bad = bad or BadFiles()
        self.clips = [_ordered(clip) for clip in clips]
        for clip in self.clips:
            _report_gaps(clip, self.bad)
        self.numbers = [[f.number for f in clip.frames] for clip in self.clips]
        self.frames = [
            (c, i)
            for c, numbers in enumerate(self.numbers)
            for i in range(1, len(numbers))
            if numbers[i] - numbers[i - 1] <= max(intervals)
        ]
        if not self.frames:
            raise InputError(
                f"{root}: no frame has a predecessor within {max(intervals)} frames; pairs need two"
            )

    def __len__(self) -> int:
        """Labelled frames with a predecessor."""
        return len(self.frames)

    def repeat_factors(self, share: float) -> NDArray[np.float64]:
        """How often each triplet is shown relative to the others (Gupta et al., LVIS, 2019).

        Args:
            share: f(c) being the share of frames that show class c, the factor of a frame is the
                largest max(1, sqrt(share / f(c))) of its classes. All labels are read once.

        Returns:
            (len(self),) float64, at least 1; exactly 0 for a bad label that is skipped.

        Raises:
            InputError: a label cannot be read.
        """
        labels = [self.clips[c].frames[now] for c, now in self.frames]
        shown = np.zeros((len(labels), VOID), np.bool_)
        good = np.ones(len(labels), np.bool_)
        for row, (_, count) in enumerate(map_ahead(self._count_classes, labels, usable_cores())):
            if isinstance(count, str):
                self.bad.report(count)
                good[row] = False
            else:
                shown[row] = count[:VOID] > MIN_PIXELS
        frequency = np.maximum(shown.mean(0), 1 / len(labels))
        factors: NDArray[np.float64] = (
            np.where(shown, np.sqrt(share / frequency), 1.0).clip(min=1.0).max(1) * good
        )
        if not good.any():
            raise InputError(
                f"{labels[0].label}: is bad like every other label of its dataset; check the folder"
            )
        return factors

    def read(self, index: int, rng: np.random.Generator, distinct: int = 3) -> Triplet:
        """See `Source.read`.

        Near a sequence's start tau shrinks, and the first frame stands in for t - 2 tau.
        """
        c, now = self.frames[index]
        frames = self.clips[c].frames
        numbers = self.numbers[c]
        tau = int(rng.choice(self.intervals))
        # In a clip without gaps the first of these is now - tau, or the first frame.
        prev = now if distinct == 1 else min(bisect_left(numbers, numbers[now] - tau), now - 1)
        before = (
            bisect_left(numbers, numbers[prev] - (numbers[now] - numbers[prev]))
            if distinct == 3
            else prev
        )
        labels = {i: self._read_label(frames[i]) for i in sorted({prev, now})}
        semantic_prev, instance_prev = labels[prev]
        semantic, instance = labels[now]
        images = {i: read_rgb(frames[i].image) for i in sorted({before, prev, now})}
        for i, label in ((prev, semantic_prev), (now, semantic)):
            check_size(images[i], label, frames[i].label)
        for i in (before, prev):
            if images[i].shape != images[now].shape:
                raise InputError(
                    f"{frames[i].image}: is {images[i].shape[:2]}, {frames[now].image.name}"
                    f" {images[now].shape[:2]}; the frames of a sequence must share one size"
                )
        triple = (images[before], images[prev], images[now])
        return Triplet(
            triple, (semantic_prev, semantic), (instance_prev, instance), str(frames[now].image)
        )

    def _read_label(self, frame: LabelledFrame) -> tuple[Semantic, Instance]:
        semantic, instance = frame.read()
        check_classes(semantic, self.labels, frame.label)
        return semantic, instance

    def _count_classes(self, frame: LabelledFrame) -> NDArray[np.int64] | str:
        """Pixels of each class (256,), or what is wrong."""
        try:
            return np.bincount(self._read_label(frame)[0].ravel(), minlength=VOID + 1)
        except InputError as error:
            return str(error)


def check_classes(semantic: Semantic, labels: ClassSet, name: str) -> None:
    """Raise InputError where a label (H,W) has a class that its dataset does not know."""
    known = len(labels.classes)
    unknown = (semantic >= known) & (semantic != VOID)
    if unknown.any():
        raise InputError(
            f"{name}: has class {int(semantic[unknown][0])}, {labels.name} knows 0..{known - 1} and"
            f" {VOID}; correct the label, or check which dataset it belongs to"
        )


def check_size(image: NDArray[np.uint8], semantic: Semantic, name: str) -> None:
    """Raise InputError where a label (H,W) is not of the size of its image (H,W,3)."""
    if image.shape[:2] != semantic.shape:
        raise InputError(
            f"{name}: label {semantic.shape} and image {image.shape[:2]} differ in size; replace"
            " one of them"
        )


def _ordered(clip: Clip) -> Clip:
    """The frames by number, whatever the order of their names (10.png before 9.png)."""
    frames = sorted(clip.frames, key=lambda frame: frame.number)
    for a, b in pairwise(frames):
        if a.number == b.number:
            raise InputError(f"{b.label}: has the number of {a.label}; remove one of them")
    return Clip(clip.name, frames)


def _report_gaps(clip: Clip, bad: BadFiles) -> None:
    for a, b in pairwise(clip.frames):
        if b.number != a.number + 1:
            bad.report(
                f"{b.label}: frame {b.number - 1} before it is missing in the labels of sequence"
                f" {clip.name}; copy it, or train with --skip-bad"
            )
