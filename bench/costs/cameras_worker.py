"""Tracks cameras in a process of its own, whenever `mapt.bench.costs.cameras` tells it to.

`python -m mapt.bench.costs.cameras_worker KIND CORE BUNDLE PICTURES THREADS FIRST COUNT` reads
numbers of frames, one a line, and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mapt.bench.cli_errors import told_in_one_line
from mapt.runtime import PanopticFrame, PanopticTracker, TrackerGroup
from mapt.runtime.tracker import Core

PERIOD = 100_000_000  # ns
Pictures = NDArray[np.uint8]  # (cameras,frames,h,w,3)
Step = Callable[[Sequence[Any], int], list[Any]]


def open_step(kind: str, core: Core, bundle: Path, threads: int, cameras: int) -> Step:
    """What steps all cameras of this process by one frame.

    Args:
        kind: "group", or "trackers", each of which runs on one thread.
        core: see `PanopticTracker.load`.
        bundle: that they run.
        threads: of the process.
        cameras: how many.
    """
    if kind == "group":
        group = TrackerGroup.load(bundle, cameras, "ort", threads, device="cpu", core=core)
        return lambda images, stamp: list(group.step(images, [stamp] * cameras))
    trackers = [
        PanopticTracker.load(bundle, "ort", 1, device="cpu", test=False, core=core)
        for _ in range(cameras)
    ]
    if cameras == 1:
        return lambda images, stamp: [trackers[0].step(images[0], stamp)]
    pool = ThreadPoolExecutor(threads)

    def step(images: Sequence[Any], stamp: int) -> list[Any]:
        stamps = [stamp] * cameras
        return list(pool.map(PanopticTracker.step, trackers, images, stamps))

    return step


def private_mib() -> float:
    """The memory of this process in MiB, where what it shares with others counts in part (PSS)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


@told_in_one_line()
def main() -> None:
    """Open the cameras, say that they are ready, step when told."""
    kind, core, bundle, pictures, threads, first, count = sys.argv[1:]
    images: Pictures = np.load(pictures, mmap_mode="r")[int(first) : int(first) + int(count)]
    step = open_step(kind, cast("Core", core), Path(bundle), int(threads), int(count))
    number = 0
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        wall = time.perf_counter()
        cpu = time.process_time()
        tracks = 0
        for _ in range(int(line)):
            # Forwards and back, so that no picture jumps.
            turn = number % (2 * images.shape[1] - 2)
            place = min(turn, 2 * images.shape[1] - 2 - turn)
            number += 1
            for frame in step(list(images[:, place]), number * PERIOD):
                if not isinstance(frame, PanopticFrame):
                    raise frame
                tracks += len(frame.tracks)
        answer = {
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            "mib": private_mib(),
            "tracks": tracks,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
