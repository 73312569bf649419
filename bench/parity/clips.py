"""Reads the frames to compare on, and their labels if there are any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.data.datasets.kitti_step import Sequence, list_sequences, read_labelled
from mapt.io.sources.folders import open_sources
from mapt.io.sources.frame import Source
from mapt.labels.class_sets import ClassSet

SPLIT = "val"
Truth = tuple[NDArray[np.uint8], NDArray[np.int32]]


@dataclass(frozen=True)
class ClipFrame:
    """One frame: (H,W,3) uint8 RGB, its time, and its label (class and id, (H,W) each) or None."""

    image: NDArray[np.uint8]
    stamp_ns: int
    truth: Truth | None


@dataclass(frozen=True)
class FrameSequence:
    """A sequence of frames.

    Attributes:
        source: where they come from.
        fps: frames per second of a labelled sequence; other sources know their own.
    """

    source: Source | Sequence
    fps: float

    @property
    def name(self) -> str:
        """The sequence's name."""
        return self.source.name

    @property
    def labelled(self) -> bool:
        """Whether every frame has a label."""
        return isinstance(self.source, Sequence)

    def __len__(self) -> int:
        """Return the number of frames; for a video, the number that its container announces."""
        return len(self.source.images) if isinstance(self.source, Sequence) else len(self.source)

    def frames(self, labels: ClassSet) -> Iterator[ClipFrame]:
        """The frames; `labels` are the classes that labels may have.

        Raises:
            InputError: see `read_labelled`, or a frame of another source cannot be read.
        """
        if isinstance(self.source, Sequence):
            for image, truth, stamp_ns in read_labelled(self.source, self.fps, labels):
                yield ClipFrame(image, stamp_ns, truth)
        else:
            yield from (ClipFrame(frame.image, frame.stamp_ns, None) for frame in self.source)


def open_clips(data: Path, fps: float) -> list[FrameSequence]:
    """Open the sequences of a folder of frames, of a video, or of a dataset.

    They have labels if there is a folder `panoptic_maps/val`.

    Raises:
        InputError: nothing there, or nothing that can be read.
    """
    if (data / "panoptic_maps" / SPLIT).is_dir():
        return [FrameSequence(sequence, fps) for sequence in list_sequences(data, SPLIT)]
    return [
        FrameSequence(source, fps) for source in open_sources(data, fps if data.is_dir() else None)
    ]
