"""KITTI-STEP's layout, as KITTI publishes it and `mapt synth` writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.data.triplet import Triplet
from mapt.errors import InputError
from mapt.frames import read_rgb
from mapt.panoptic import VOID, read_step
from mapt.workers import map_ahead, usable_cores

MIN_PIXELS = 100  # of a class, before a frame counts as showing it


@dataclass(frozen=True)
class Sequence:
    """One sequence: its name and, frame by frame, image and label files."""

    name: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]


def list_sequences(root: Path, split: str) -> list[Sequence]:
    """The sequences of `panoptic_maps/<split>` with their images of `training/image_02`.

    Raises:
        InputError: a folder is missing or empty, or a label has no image.
    """
    labels = root / "panoptic_maps" / split
    if not labels.is_dir():
        raise InputError(f"{labels}: no such folder; {root} must hold KITTI-STEP's panoptic_maps/{split}/<sequence>")
    found = []
    for folder in sorted(p for p in labels.iterdir() if p.is_dir()):
        files = tuple(sorted(folder.glob("*.png")))
        images = tuple(root / "training" / "image_02" / folder.name / f.name for f in files)
        missing = next((i for i in images if not i.is_file()), None)
        if missing:
            raise InputError(f"{missing}: image of a labelled frame is missing; copy it or remove its label")
        if files:
            found.append(Sequence(folder.name, images, files))
    if not found:
        raise InputError(f"{labels}: holds no sequence with PNG labels; check the dataset's path")
    return found


class KittiStep:
    """Triplets of consecutive frames; the interval tau is drawn from `intervals`, in frames."""

    def __init__(self, root: Path, split: str, intervals: tuple[int, ...]) -> None:
        self.intervals = intervals
        self.frames = [(s, i) for s in list_sequences(root, split) for i in range(1, len(s.images))]
        if not self.frames:
            raise InputError(f"{root}: every sequence of split {split} has a single frame; pairs need two")

    def __len__(self) -> int:
        """Labelled frames with a predecessor."""
        return len(self.frames)

    def repeat_factors(self, share: float) -> NDArray[np.float64]:
        """How often each triplet is shown relative to the others (Gupta et al., LVIS, 2019).

        Args:
            share: f(c) being the share of frames that show class c, the factor of a frame is the largest
                max(1, sqrt(share / f(c))) of its classes. All labels are read once.

        Returns:
            (len(self),) float64, at least 1.

        Raises:
            InputError: a label cannot be read.
        """
        labels = [sequence.labels[now] for sequence, now in self.frames]
        counts = map_ahead(_count_classes, labels, usable_cores())
        shown = np.array([count[:VOID] > MIN_PIXELS for _, count in counts])  # (n,255)
        frequency = np.maximum(shown.mean(0), 1 / len(labels))
        factors: NDArray[np.float64] = np.where(shown, np.sqrt(share / frequency), 1.0).clip(min=1.0).max(1)
        return factors

    def read(self, index: int, rng: np.random.Generator, static: bool = False) -> Triplet:
        """See `Source.read`; near a sequence's start tau shrinks, and the first frame stands in for t - 2 tau."""
        sequence, now = self.frames[index]
        tau = min(int(rng.choice(self.intervals)), now)
        prev = now - tau
        before = prev if static else max(prev - tau, 0)
        (semantic_prev, instance_prev), (semantic, instance) = (read_step(sequence.labels[i]) for i in (prev, now))
        images = {i: read_rgb(sequence.images[i]) for i in {before, prev, now}}
        for image in images.values():
            if image.shape[:2] != semantic.shape or semantic.shape != semantic_prev.shape:
                raise InputError(
                    f"{sequence.labels[now]}: label {semantic.shape} and image {image.shape[:2]} differ in size; "
                    "labels and images of a sequence must share one size"
                )
        frames = (images[before], images[prev], images[now])
        return Triplet(frames, (semantic_prev, semantic), (instance_prev, instance), str(sequence.images[now]))


def _count_classes(label: Path) -> NDArray[np.int64]:
    """Pixels of each class (256,)."""
    return np.bincount(read_step(label)[0].ravel(), minlength=VOID + 1)
