"""Compares ways to track several cameras on one CPU: throughput, CPU time and memory.

`python -m mapt.bench.costs.cameras BUNDLE --cameras 8 --batched BUNDLE_OF_8` runs them in turn on
the same synthetic streets: one process for each camera with one thread, trackers of one process,
and groups with and without batches, on the Python core and on the native one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mapt.bench.cli_errors import told_in_one_line
from mapt.cores import usable_cores
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.native.library import find_onnxruntime, load_library
from mapt.synthetic import render_sequence

SEED = 71
WARM = 2  # frames of each camera before the first round
SIZE = (375, 1242)
CORES = ("python", "native")


@dataclass
class Arrangement:
    """A way to track the cameras, and what was measured of it.

    Attributes:
        name: for the table.
        workers: its processes, which wait to be told.
        fps: frames of all cameras a second, by round.
        cpu_ms: CPU time of a frame in milliseconds, by round.
        mib: memory of all its processes, what they share with others counted in part.
        tracks: in all frames, which must be the same in every arrangement.
    """

    name: str
    workers: list[subprocess.Popen[str]]
    fps: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    mib: float = 0.0
    tracks: int = 0

    def run(self, frames: int, cameras: int, *, kept: bool) -> None:
        """Let all processes track so many frames of each of their cameras."""
        for worker in self.workers:
            _tell(worker, frames)
        answers = [_answer(worker) for worker in self.workers]
        self.tracks += sum(int(answer["tracks"]) for answer in answers)
        self.mib = sum(answer["mib"] for answer in answers)
        if kept:
            self.fps.append(frames * cameras / max(answer["seconds"] for answer in answers))
            used = sum(answer["cpu_seconds"] for answer in answers)
            self.cpu_ms.append(1e3 * used / (frames * cameras))


def native_core() -> bool:
    """Tell whether the native core is built and runs here."""
    try:
        load_library()
        find_onnxruntime()
    except InputError:
        return False
    return True


def _tell(worker: subprocess.Popen[str], frames: int) -> None:
    assert worker.stdin
    worker.stdin.write(f"{frames}\n")
    worker.stdin.flush()


def _answer(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout
    line = worker.stdout.readline()
    if not line:
        raise InputError(f"a process of the cameras ended with exit code {worker.wait()}")
    found: dict[str, Any] = json.loads(line)
    return found


def measure(
    bundle: Path,
    batched: Path | None,
    cameras: int,
    rounds: int,
    frames: int,
    threads: int,
) -> list[Arrangement]:
    """Measure every arrangement, one after the other in each round, in alternating order.

    Args:
        bundle: for one image at a time.
        batched: of `mapt export --batch`; None: leave batches out.
        cameras: how many.
        rounds: how often each arrangement runs.
        frames: of each camera in a round.
        threads: of the arrangements with one process.

    Raises:
        InputError: a bundle that cannot be opened.
    """
    read_bundle(bundle)  # its mistakes are told before the work
    if batched:
        read_bundle(batched, batched=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        streets = [
            [frame.image for frame in render_sequence(SEED, camera, frames + 1, SIZE)]
            for camera in range(cameras)
        ]
        np.save(folder / "pictures.npy", np.array(streets))

        def start(kind: str, core: str, opened: Path, own: int, first: int, count: int) -> Any:
            given = map(str, (kind, core, opened, folder / "pictures.npy", own, first, count))
            worker = subprocess.Popen(
                [sys.executable, "-m", "mapt.bench.costs.cameras_worker", *given],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
            return worker

        ways = []
        for core in CORES if native_core() else CORES[:1]:
            alone = [start("trackers", core, bundle, 1, camera, 1) for camera in range(cameras)]
            together = [start("trackers", core, bundle, threads, 0, cameras)]
            group = [start("group", core, bundle, threads, 0, cameras)]
            ways += [
                Arrangement(f"{cameras} processes of one thread, {core}", alone),
                Arrangement(f"{cameras} trackers in one process, {core}", together),
                Arrangement(f"a group, {core}", group),
            ]
        if batched:
            worker = start("group", "python", batched, threads, 0, cameras)
            ways.append(Arrangement("a group in batches, python", [worker]))
        for way in ways:
            for worker in way.workers:
                _answer(worker)  # it is ready
            way.run(WARM, cameras, kept=False)
        for number in range(rounds):
            for way in ways if number % 2 == 0 else reversed(ways):
                way.run(frames, cameras, kept=True)
    return ways


def report(ways: Sequence[Arrangement]) -> str:
    """A table; throughput as a ratio to the first arrangement, by round, is its last column."""
    lines = [f"{'':36} {'frames/s':>9} {'CPU ms':>8} {'PSS MiB':>8} {'ratio':>6}"]
    for way in ways:
        ratio = np.median([own / first for own, first in zip(way.fps, ways[0].fps, strict=True)])
        lines.append(
            f"{way.name:36} {np.median(way.fps):9.2f} {np.median(way.cpu_ms):8.1f}"
            f" {way.mib:8.0f} {ratio:6.2f}"
        )
    if len({way.tracks for way in ways}) > 1:
        lines.append("tracks differ: " + ", ".join(f"{way.name} {way.tracks}" for way in ways))
    return "\n".join(lines)


@told_in_one_line()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.costs.cameras", description=text_of(__name__)
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--batched", dest="group", type=Path, help="a bundle of mapt export --batch"
    )
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=10, help="of each camera in a round")
    parser.add_argument("--threads", type=int, default=usable_cores())
    given = parser.parse_args()
    for option in ("cameras", "rounds", "frames", "threads"):
        if getattr(given, option) < 1:
            raise InputError(f"--{option} {getattr(given, option)}: give 1 or more")
    ways = measure(
        given.bundle, given.group, given.cameras, given.rounds, given.frames, given.threads
    )
    print(report(ways))


if __name__ == "__main__":
    main()
