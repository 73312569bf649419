"""Gives triplets of frames, tau apart, of labelled video in any layout on disk."""

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

MIN_PIXELS = 100  # a frame shows a class if more of its pixels have it


@dataclass(frozen=True)
class LabelledFrame:
    """A frame with a label.

    Attributes:
        number: its number in the sequence.
        image: the file of its image.
        label: names its label in error messages.
        read: reads the label as classes (H,W) uint8 and instance ids (H,W) int32. It raises
            InputError if that fails.
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
    """A `TripletSource` of the triplets of labelled clips.

    Args:
        root: the dataset's folder, for error messages.
        clips: the labelled sequences.
        labels: the dataset's classes.
        intervals: the choices for the interval tau, in frames.
        bad: decides what happens to bad files; by default they raise.

    Raises:
        InputError: two frames of a clip have the same number, no frame has a predecessor, or a
            frame is missing and not skipped.
    """

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
        """Return the number of labelled frames with a predecessor."""
        return len(self.frames)

    def repeat_factors(self, share: float) -> NDArray[np.float64]:
        """Compute how often to show each triplet (repeat factors: Gupta et al., LVIS, 2019).

        Let f(c) be the share of frames that show class c. The factor of a frame is the largest
        max(1, sqrt(share / f(c))) of the classes that it shows. Every label is read once.

        Args:
            share: the share of frames below which a class is shown more often.

        Returns:
            Factors (len(self),) float64, at least 1. Bad labels that are skipped have the factor 0.

        Raises:
            InputError: a label cannot be read and is not skipped, or all labels are bad.
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
        """Read triplet `index`, see `TripletSource.read`.

        Near the start of a sequence tau is smaller, and the first frame replaces t - 2 tau.

        Raises:
            InputError: an image or label cannot be read, sizes differ, or a class is unknown.
        """
        c, now = self.frames[index]
        frames = self.clips[c].frames
        numbers = self.numbers[c]
        tau = int(rng.choice(self.intervals))
        # In a clip without gaps, this is now - tau or the first frame.
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
        """Count the pixels (256,) of each class; a label that cannot be read gives the message."""
        try:
            return np.bincount(self._read_label(frame)[0].ravel(), minlength=VOID + 1)
        except InputError as error:
            return str(error)


def check_classes(semantic: Semantic, labels: ClassSet, name: str) -> None:
    """Check that a label has classes of its dataset only.

    Args:
        semantic: (H,W) uint8 classes.
        labels: the dataset's classes.
        name: names the label in the message.

    Raises:
        InputError: a class is neither void nor one of the dataset's.
    """
    known = len(labels.classes)
    unknown = (semantic >= known) & (semantic != VOID)
    if unknown.any():
        raise InputError(
            f"{name}: has class {int(semantic[unknown][0])}, {labels.name} knows 0..{known - 1} and"
            f" {VOID}; correct the label, or check which dataset it belongs to"
        )


def check_size(image: NDArray[np.uint8], semantic: Semantic, name: str) -> None:
    """Check that a label has the size of its image.

    Args:
        image: (H,W,3) uint8 RGB.
        semantic: (H,W) uint8 classes.
        name: names the label in the message.

    Raises:
        InputError: the sizes differ.
    """
    if image.shape[:2] != semantic.shape:
        raise InputError(
            f"{name}: label {semantic.shape} and image {image.shape[:2]} differ in size; replace"
            " one of them"
        )


def _ordered(clip: Clip) -> Clip:
    """Sort the frames by number, because names sort 10.png before 9.png."""
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
