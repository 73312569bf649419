"""Counts the bytes that a frame copies between host and device, as the backend counts them.

Run it with `python -m mapt.bench.costs.copies BUNDLE [FOLDER]`. It needs no GPU: on a CPU, memory
of the host stands in for the device, and the same tensors are copied.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.bench.cli_errors import told_in_one_line
from mapt.contract import BY_NAME
from mapt.docstrings import text_of
from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import CopyCounts, Device
from mapt.runtime.bundle.manifest import read_bundle
from mapt.synthetic import render_sequence

PERIOD = 100_000_000  # ns
SEED = 71  # of the streets where no folder is given
FRAMES = 10
MB = 1e6


@dataclass(frozen=True)
class FrameCopies:
    """The copies of one frame.

    Attributes:
        ms: what the frame took, milliseconds.
        moved: what the backend counted.
        calls: how often each subgraph ran.
        everything: bytes that all inputs and outputs of these calls hold, which is what a backend
            copies whose tensors go through the host.
        stages: what each stage of the frame took, milliseconds.
    """

    ms: float
    moved: CopyCounts
    calls: dict[str, int]
    everything: int
    stages: Mapping[str, float]


class CopyCounter:
    """Tracks a camera's frames and counts what each of them copies.

    Args:
        backend: with tensors on a device, or on memory that stands in for one.
    """

    def __init__(self, backend: OrtBackend) -> None:
        self.backend = backend
        self._counted = _Counted(backend)
        self._tracker = PanopticTracker(self._counted)
        self._frames = 0

    def step(self, image: object) -> FrameCopies:
        """Track the next image (h,w,3), on the host or a GPU."""
        self._counted.calls = {}
        before = replace(self.backend.traffic)
        frame = self._tracker.step(image, self._frames * PERIOD)
        self._frames += 1
        calls = self._counted.calls
        everything = sum(n * tensor_bytes(name, self.backend) for name, n in calls.items())
        moved = self.backend.traffic.since(before)
        ms = frame.timings_ms["frame"]
        return FrameCopies(ms, moved, calls, everything, dict(frame.timings_ms))


class _Counted:
    """A backend that counts calls; all else is another's."""

    def __init__(self, backend: OrtBackend) -> None:
        self.backend = backend
        self.stream = backend.stream
        self.memory = backend.memory
        self.name = backend.name
        self.info = backend.info
        self.providers = backend.providers
        self.calls: dict[str, int] = {}

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        self.calls[subgraph] = self.calls.get(subgraph, 0) + 1
        return self.backend.run(subgraph, inputs)


def count_copies(backend: OrtBackend, images: Iterable[NDArray[np.uint8]]) -> list[FrameCopies]:
    """Track images (h,w,3) and count what each frame copies.

    Args:
        backend: with tensors on a device, or on memory that stands in for one.
        images: in order.
    """
    counter = CopyCounter(backend)
    return [counter.step(image) for image in images]


def tensor_bytes(subgraph: str, backend: OrtBackend) -> int:
    """Return the bytes of all inputs and outputs of a subgraph."""
    spec = BY_NAME[subgraph]
    return sum(
        int(np.prod(t.resolve(backend.info.sizes))) * np.dtype(t.dtype).itemsize
        for t in (*spec.inputs, *spec.outputs)
    )


def _pictures(
    folder: Path | None, size: tuple[int, int], count: int
) -> Iterable[NDArray[np.uint8]]:
    if folder is None:
        return (frame.image for frame in render_sequence(SEED, 0, count, size))
    return (frame.image for source in open_sources(folder) for frame in islice(source, count))


@told_in_one_line()
def main() -> None:
    """Print a line for each frame, and the median."""
    parser = argparse.ArgumentParser(description=text_of(__name__))
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", help="pictures; default: synthetic streets")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    device: Device = arguments.device
    backend = OrtBackend(read_bundle(arguments.bundle), None, device, bound=True)
    size = backend.info.height, backend.info.width
    frames = count_copies(
        backend, islice(_pictures(arguments.folder, size, arguments.frames), arguments.frames)
    )
    print(f"{'frame':>6} {'up MB':>8} {'down MB':>8} {'all MB':>8} {'waits':>6}  calls")
    for number, frame in enumerate(frames):
        told = ", ".join(f"{name} {n}" for name, n in frame.calls.items() if n > 1)
        print(
            f"{number:6} {frame.moved.up / MB:8.2f} {frame.moved.down / MB:8.2f}"
            f" {(frame.moved.up + frame.moved.down) / MB:8.2f} {frame.moved.waits:6}  {told}"
        )
    moved = [frame.moved.up + frame.moved.down for frame in frames]
    through = [frame.everything for frame in frames]
    print(
        f"median {np.median(moved) / MB:.2f} MB a frame, at most {max(moved) / MB:.2f};"
        f" through the host it would be {np.median(through) / MB:.1f} MB"
    )


if __name__ == "__main__":
    main()
