"""Recordings and a job for measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mapt.fleet.job import TrackJob
from mapt.fleet.sources.recordings import Recording, find_recordings
from mapt.io.sources.frame import Source
from mapt.runtime import PanopticTracker
from mapt.synthetic import write_dataset
from mapt.weights import BUNDLE

SIZE = "192x352"  # of the default network's inputs, the smallest


@dataclass(frozen=True)
class SmallTracker:
    """Opens the default network at its smallest input."""

    threads: int = 1

    def __call__(self, source: Source) -> PanopticTracker:
        """Open it; the source makes no difference."""
        return PanopticTracker.load(BUNDLE / SIZE, threads=self.threads)


def small_job(out: Path) -> TrackJob:
    """Return a job that writes tracks and decisions."""
    return TrackJob(SmallTracker(), SIZE, {}, str(out), ("json",), bundle=SIZE)


def render_recordings(folder: Path, count: int, frames: int) -> list[Recording]:
    """Render synthetic recordings of 192x352 pixels."""
    write_dataset(folder, count, frames, (192, 352), 7)
    return find_recordings([str(folder)])
