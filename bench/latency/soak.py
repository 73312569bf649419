"""Runs the runtime over many frames to see whether its memory and its speed stay constant.

Run it with `python -m mapt.bench.latency.soak BUNDLE FOLDER...`.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.bench.cli_errors import told_in_one_line
from mapt.cores import usable_cores
from mapt.docstrings import text_of
from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.protocol import Backend, Tensors, on_host
from mapt.runtime.persistence.recording import KEPT

Image = NDArray[np.uint8]
PERIOD = 100_000_000  # ns
WARM = 0.1  # share of the frames that are not measured
GROWTH = 0.02  # of memory; p99 as a multiple of p50
SPREAD = 2.0


@dataclass(frozen=True)
class Endurance:
    """The measurements of a long run after its first tenth.

    Attributes:
        frames: measured.
        p50, p99, max: milliseconds of a frame on the clock.
        cpu_p50, cpu_p99: milliseconds of all this process's threads, which other programs do not
            lengthen.
        resident: bytes, median of the first and of the last tenth.
        blocks: Python's allocated blocks where a clip begins, so without tracks: at the first such
            place and the last.
    """

    frames: int
    p50: float
    p99: float
    max: float
    cpu_p50: float
    cpu_p99: float
    resident: tuple[float, float]
    blocks: tuple[int, int]

    @property
    def growth(self) -> float:
        """Growth of the resident memory, as a share."""
        return self.resident[1] / self.resident[0] - 1


class Recorded:
    """A backend that records its answers to some frames and repeats them for all later frames.

    Kept is what the runtime reads; features that only other networks read come back as zeros.

    Args:
        backend: runs the first pass.
    """

    name = "recorded"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.info = backend.info
        self.providers = backend.providers
        self.answers: list[Tensors] = []
        self.at = 0
        self.full = False

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        if not self.full:
            outputs = self.backend.run(subgraph, inputs)
            kept = {name: on_host(outputs[name]) for name in KEPT[subgraph]}
            zeros = {
                n: np.broadcast_to(np.zeros(1, a.dtype), a.shape)
                for n, a in outputs.items()
                if n not in kept
            }
            self.answers.append({name: (kept | zeros)[name] for name in outputs})
            return outputs
        self.at += 1
        return self.answers[self.at - 1]

    def again(self) -> None:
        """Start the frames again; after the first pass, its answers are repeated."""
        self.full = self.full or bool(self.answers)
        self.at = 0


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def endure(
    tracker: PanopticTracker,
    clips: Sequence[Sequence[Image]],
    frames: int,
    begin: Callable[[], object] | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> Endurance:
    """Step through the clips again and again, each from a camera cut on.

    Args:
        tracker: has seen nothing yet.
        clips: pictures (h,w,3) uint8 RGB in order.
        frames: how many steps.
        begin: called before every pass over all clips.
        on_progress: is given the number of frames so far, where a clip begins.
    """
    wall, cpu, held = (np.zeros(frames) for _ in range(3))
    warm = max(1, round(WARM * frames))
    blocks = list[int]()
    for number, (image, first) in enumerate(_endless(clips, frames, begin)):
        if first:
            tracker.reset()
            gc.collect()
            blocks += [sys.getallocatedblocks()] if number >= warm else []
            if on_progress:
                on_progress(number)
        start = time.perf_counter_ns()
        own = time.process_time_ns()
        tracker.step(image, number * PERIOD)
        wall[number] = (time.perf_counter_ns() - start) / 1e6
        cpu[number] = (time.process_time_ns() - own) / 1e6
        held[number] = resident()
    wall, cpu, held = (values[warm:] for values in (wall, cpu, held))
    part = max(1, len(held) // 10)
    ends = float(np.median(held[:part])), float(np.median(held[-part:]))
    blocks = blocks or [0]
    p50, p99, cpu_p50, cpu_p99 = (float(np.percentile(v, q)) for v in (wall, cpu) for q in (50, 99))
    return Endurance(
        len(wall), p50, p99, float(wall.max()), cpu_p50, cpu_p99, ends, (blocks[0], blocks[-1])
    )


def _endless(
    clips: Sequence[Sequence[Image]], frames: int, begin: Callable[[], object] | None
) -> Iterator[tuple[Image, bool]]:
    """Repeat the clips for `frames` pictures; yield each with whether it starts a clip."""
    given = 0
    while True:
        if begin:
            begin()
        for clip in clips:
            for index, image in enumerate(clip):
                if given == frames:
                    return
                yield image, index == 0
                given += 1


@told_in_one_line()
def main() -> None:
    """Print the table; `--json FILE` writes it too."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from mapt.bench.machine import describe_machine
    from mapt.io.atomic_files import write_json

    parser = argparse.ArgumentParser(description=text_of(__name__))
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--trust", type=Path, help="public key that must have signed the bundle")
    parser.add_argument(
        "folders", type=Path, nargs="+", help="frames of a camera, in the order of their names"
    )
    parser.add_argument("--frames", type=int, default=500, help="through the networks")
    parser.add_argument(
        "--recorded", type=int, default=20_000, help="on the networks' recorded outputs"
    )
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--json", type=Path, help="write the numbers here")
    arguments = parser.parse_args()
    clips = [
        [f.image for f in source] for folder in arguments.folders for source in open_sources(folder)
    ]
    tracker = PanopticTracker.load(
        arguments.bundle, threads=arguments.threads, trust=arguments.trust, core="python"
    )
    recorded = Recorded(tracker.backend)
    results = {}
    with Progress(transient=True) as progress:
        task = progress.add_task("frames", total=max(arguments.frames, arguments.recorded))
        seen = lambda number: progress.update(task, completed=number)  # noqa: E731
        results["whole runtime"] = endure(tracker, clips, arguments.frames, on_progress=seen)
        if arguments.recorded:
            second = PanopticTracker(recorded)
            results["recorded outputs"] = endure(
                second, clips, arguments.recorded, recorded.again, seen
            )
    console = Console()
    pictures = sum(map(len, clips))
    columns = ("p50 ms", "p99 ms", "max", "p99/p50", "of CPU time", "MB", "growth", "blocks")
    table = Table(f"{pictures} pictures", "frames", *columns)
    for name, r in results.items():
        spread = r.p99 / r.p50
        cpu = r.cpu_p99 / r.cpu_p50
        numbers = (f"{r.p50:.1f}", f"{r.p99:.1f}", f"{r.max:.1f}", f"{spread:.2f}", f"{cpu:.2f}")
        memory = (
            f"{r.resident[1] / 1e6:.0f}",
            f"{r.growth:+.2%}",
            f"{r.blocks[1] - r.blocks[0]:+d}",
        )
        table.add_row(name, str(r.frames), *numbers, *memory)
    console.print(table)
    console.print(
        f"wanted: growth below {GROWTH:.0%}, p99 at most {SPREAD:g} times p50", highlight=False
    )
    if arguments.json:
        described = {name: asdict(r) for name, r in results.items()}
        write_json(
            arguments.json, {"machine": describe_machine(arguments.threads), "runs": described}
        )


if __name__ == "__main__":
    main()
