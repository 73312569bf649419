"""Measures the sizes, speeds and lifetimes of the objects of a labelled dataset.

These statistics serve to compare synthetic with real data.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mapt.data.tools.check import label_folders
from mapt.io.listing import list_files
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.mots_text import CLASSES, MotsObject, read_mots_text
from mapt.labels.step_png import Instance, Semantic, read_step

QUANTILES = (10, 25, 50, 75, 90)
# The statistics of the 12 training sequences of KITTI-MOTS with public labels.
REFERENCE = Path(__file__).parent / "kitti_mots_statistics.json"


@dataclass(frozen=True)
class Seen:
    """An object in one frame.

    Attributes:
        box: the mask's box xyxy, pixels.
        area: of the mask, pixels.
    """

    box: tuple[float, float, float, float]
    area: int

    @property
    def centre(self) -> tuple[float, float]:
        """The box's centre (x, y), pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass
class ClassStatistics:
    """The measurements of one class over all sequences.

    Attributes:
        heights: height of each mask's box, pixels.
        areas: area of each mask, pixels.
        steps: displacements of a box's centre between consecutive frames, pixels.
        lifetimes: frames from each track's first to its last one, both included.
        gaps: lengths in frames of the gaps in which a track is not visible.
        per_frame: number of objects in each frame.
    """

    heights: list[float] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    lifetimes: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    per_frame: list[float] = field(default_factory=list)

    def add_track(self, frames: dict[int, Seen]) -> None:
        """Add a track, given as its objects by frame number."""
        numbers = sorted(frames)
        self.lifetimes.append(numbers[-1] - numbers[0] + 1)
        for number in numbers:
            box = frames[number].box
            self.heights.append(box[3] - box[1])
            self.areas.append(frames[number].area)
        for a, b in itertools.pairwise(numbers):
            if b == a + 1:
                x0, y0 = frames[a].centre
                x1, y1 = frames[b].centre
                self.steps.append(float(np.hypot(x1 - x0, y1 - y0)))
            else:
                self.gaps.append(b - a - 1)

    def summary(self) -> dict[str, Any]:
        """Return counts, and quantiles rounded to a tenth."""
        tracks = len(self.lifetimes)
        return {
            "tracks": tracks,
            "masks": len(self.heights),
            "objects_per_frame": (
                round(float(np.mean(self.per_frame)), 2) if self.per_frame else 0.0
            ),
            "gaps_per_track": round(len(self.gaps) / tracks, 3) if tracks else 0.0,
            "height_px": _quantiles(self.heights),
            "area_px": _quantiles(self.areas),
            "step_px": _quantiles(self.steps),
            "lifetime_frames": _quantiles(self.lifetimes),
            "gap_frames": _quantiles(self.gaps),
        }


def _quantiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 1) for q in QUANTILES} if values else {}


def measure(
    sequences: Iterable[Iterable[dict[tuple[int, int], Seen]]],
) -> dict[str, dict[str, Any]]:
    """Compute the statistics of cars and people.

    Args:
        sequences: the frames of each sequence in order. A frame maps (train id, instance id) to an
            object.

    Returns:
        `ClassStatistics.summary` by class name.
    """
    found = {label: ClassStatistics() for label in KITTI_STEP.things}
    for sequence in sequences:
        tracks: dict[tuple[int, int], dict[int, Seen]] = {}
        for number, frame in enumerate(sequence):
            for label, statistics in found.items():
                statistics.per_frame.append(sum(key[0] == label for key in frame))
            for key, seen in frame.items():
                tracks.setdefault(key, {})[number] = seen
        for (label, _), frames in tracks.items():
            found[label].add_track(frames)
    return {KITTI_STEP.classes[label]: statistics.summary() for label, statistics in found.items()}


def mots_sequence(path: Path) -> Iterable[dict[tuple[int, int], Seen]]:
    """Yield the frames of a KITTI-MOTS text. Frames without objects are empty.

    Raises:
        InputError: the text is bad.
    """
    frames = read_mots_text(path)
    for number in range(max(frames, default=-1) + 1):
        objects = [o for o in frames.get(number, []) if o.label in CLASSES]
        yield {(CLASSES[o.label], o.id): _seen_rle(o) for o in objects}


def _seen_rle(thing: MotsObject) -> Seen:
    from pycocotools import mask as coco

    encoded: Any = {"size": [thing.height, thing.width], "counts": thing.rle}
    x, y, width, height = (float(v) for v in coco.toBbox(encoded))
    return Seen((x, y, x + width, y + height), int(coco.area(encoded)))


def step_sequence(folder: Path) -> Iterable[dict[tuple[int, int], Seen]]:
    """Yield the frames of a folder of STEP PNGs in the order of their names.

    Raises:
        InputError: a PNG is bad.
    """
    for path in list_files(folder, ".png"):
        yield seen_in(*read_step(path))


def seen_in(semantic: Semantic, instance: Instance) -> dict[tuple[int, int], Seen]:
    """Find the objects of a label map.

    Args:
        semantic: train ids (H,W) uint8.
        instance: ids (H,W) int32.

    Returns:
        Objects by (train id, instance id).
    """
    out = {}
    for label in KITTI_STEP.things:
        ids: NDArray[np.int32] = np.where(semantic == label, instance, 0)
        areas = np.bincount(ids.ravel())
        for index, window in enumerate(ndimage.find_objects(ids), 1):
            if window is not None:
                y, x = window
                out[label, index] = Seen((x.start, y.start, x.stop, y.stop), int(areas[index]))
    return out


def dataset_statistics(root: Path) -> dict[str, dict[str, Any]]:
    """Compute the statistics of a labelled dataset.

    Args:
        root: contains KITTI-MOTS texts, or STEP PNGs as <seq>/<frame>.png, itself or in
            panoptic_maps/<split>.

    Returns:
        See `measure`.

    Raises:
        InputError: there is neither, or a file is bad.
    """
    texts = list_files(root, ".txt")
    if texts:
        return measure(mots_sequence(path) for path in texts)
    return measure(step_sequence(folder) for folder in label_folders(root).values())
