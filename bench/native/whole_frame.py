"""Measures whole frames of the native core beside the Python one, with the network.

Usage: python -m mapt.bench.native.whole_frame BUNDLE FOLDER [--frames N] [--threads N]

Both cores step through the same frames in turn, and have to give the same labels and ids. The clock
tells what a camera waits for. CPU time is that of all threads of this process, which other programs
lengthen less. Of the stages, those count that each core computes itself.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.bench.cli_errors import told_in_one_line
from mapt.cores import usable_cores
from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.runtime.tracker import Core

PERIOD = 100_000_000  # ns
WARM = 5  # frames whose times are not kept
OWN = ("fusion", "association", "output")
COLUMNS = ("whole frame", "CPU time of it", "+".join(OWN))
WANTED = (0.95, 0.95, 0.25)  # of the Python core's time, at most
CORES: tuple[Core, ...] = ("python", "native")
Image = NDArray[np.uint8]
Times = dict[str, list[tuple[float, ...]]]  # rows of COLUMNS in milliseconds, by core


def open_trackers(bundle: Path, threads: int) -> dict[str, PanopticTracker]:
    """Load a tracker of each core, on the CPU.

    Raises:
        InputError: the bundle does not open, or the native core is not built.
    """
    return {
        core: PanopticTracker.load(bundle, threads=threads, device="cpu", core=core)
        for core in CORES
    }


def step(tracker: PanopticTracker, image: Image, stamp: int) -> tuple[PanopticFrame, float, float]:
    """Return a frame, its milliseconds on the clock and those of CPU time."""
    cpu = time.process_time_ns()
    start = time.perf_counter_ns()
    frame = tracker.step(image, stamp)
    took = time.perf_counter_ns() - start
    return frame, took / 1e6, (time.process_time_ns() - cpu) / 1e6


def measure(trackers: dict[str, PanopticTracker], images: list[Image], frames: int) -> Times:
    """Measure every frame.

    Args:
        trackers: by core, which have seen nothing yet.
        images: (h,w,3) uint8 RGB, stepped through again and again, each time from a camera cut on.
        frames: how many are measured.
    """
    times: Times = {core: [] for core in CORES}
    for number in range(WARM + frames):
        if number % len(images) == 0:
            for tracker in trackers.values():
                tracker.reset()
        labelled = {}
        for core in CORES[:: 1 if number % 2 else -1]:
            image = images[number % len(images)]
            labelled[core], clock, cpu = step(trackers[core], image, number * PERIOD)
            if number >= WARM:
                own = sum(labelled[core].timings_ms[stage] for stage in OWN)
                times[core].append((clock, cpu, own))
        python, native = (labelled[core] for core in CORES)
        alike = np.array_equal(python.instance, native.instance)
        assert alike and np.array_equal(python.semantic, native.semantic), "the cores disagree"
    return times


def show(times: Times) -> None:
    """Print p50 and p99 of each core, and the median ratio of the frames."""
    for column, (name, wanted) in enumerate(zip(COLUMNS, WANTED, strict=True)):
        values = {core: np.array(times[core])[:, column] for core in CORES}
        told = ", ".join(
            f"{core} {np.percentile(ms, 50):.2f} / {np.percentile(ms, 99):.2f} ms"
            for core, ms in values.items()
        )
        ratio = float(np.median(values["native"] / values["python"]))
        print(f"{name}: p50 / p99 {told}; {ratio:.3f} of Python's, wanted at most {wanted}")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m mapt.bench.native.whole_frame")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path, help="frames of a camera")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--threads", type=int, default=usable_cores())
    asked = parser.parse_args()
    with told_in_one_line():
        images = [frame.image for source in open_sources(asked.folder) for frame in source]
        trackers = open_trackers(asked.bundle, asked.threads)
        show(measure(trackers, images, asked.frames))


if __name__ == "__main__":
    main()
