"""Predicts each CUDA kernel's time from what it does: `python -m mapt.bench.kernels.gpu_model`.

No GPU is needed. A launch takes the longest of three times: arithmetic, traffic of the first-level
caches, and traffic of memory. Each is the work divided by the GPU's rate and by a share of it that
such kernels reach. Blocks that do not fill the last round of multiprocessors lengthen it. Chains of
dependent loads set a lower limit. The predictions are there to be judged by the next measurement
with `python -m mapt.bench.gpu`.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mapt.bench.cli_errors import told_in_one_line
from mapt.docstrings import text_of
from mapt.errors import InputError

LAUNCH_US = 1.5  # between two kernels of a replayed CUDA graph
ROUND_TRIP_US = 0.45  # of a load that the first-level cache lacks


@dataclass(frozen=True)
class Gpu:
    """A GPU's rates, an H200's by default.

    Attributes:
        multiprocessors: how many there are.
        clock: Hz, as it runs under load.
        memory: bytes per second.
        registers: of a multiprocessor.
        shared: bytes of shared memory of a multiprocessor.
        threads: that a multiprocessor holds.
    """

    multiprocessors: int = 132
    clock: float = 1.755e9
    memory: float = 4.8e12
    registers: int = 65536
    shared: int = 228 << 10
    threads: int = 2048


# By arithmetic: multiply-adds of a multiprocessor in a cycle, and the share that kernels reach.
RATES = {"fma": (128, 0.70), "tf32": (512, 0.40), "half": (1024, 0.40)}
CACHE_BYTES = 128  # that a multiprocessor's first-level cache delivers in a cycle
CACHE_SHARE = 0.5
MEMORY_SHARE = 0.75


@dataclass(frozen=True)
class Launch:
    """One launch of a kernel.

    Attributes:
        kernel: a part of the kernel's name.
        blocks: of the grid.
        threads: of a block.
        multiply_adds: of all blocks.
        cached: bytes that threads load through the first-level cache.
        memory: bytes read and written once.
        chain: loads of a thread that wait for each other.
        arithmetic: a key of `RATES`.
        registers: of a thread, unless a report says otherwise.
        shared: bytes of a block, likewise.
    """

    kernel: str
    blocks: int
    threads: int
    multiply_adds: float
    cached: float
    memory: float
    chain: int = 2
    arithmetic: str = "fma"
    registers: int = 128
    shared: int = 0

    def resident(self, gpu: Gpu) -> int:
        """Blocks that a multiprocessor holds at a time."""
        by_registers = gpu.registers // (self.threads * self.registers)
        by_shared = gpu.shared // (self.shared + 1024)
        return max(1, min(by_registers, by_shared, gpu.threads // self.threads, 32))

    def microseconds(self, gpu: Gpu) -> float:
        """The predicted time of the launch in a CUDA graph."""
        rate, share = RATES[self.arithmetic]
        cycle = gpu.multiprocessors * gpu.clock
        work = max(
            self.multiply_adds / (rate * share * cycle),
            self.cached / (CACHE_BYTES * CACHE_SHARE * cycle),
        )
        of_each = self.blocks / gpu.multiprocessors
        busy = work * math.ceil(of_each) / of_each
        rounds = math.ceil(of_each / self.resident(gpu))
        waiting = rounds * self.chain * ROUND_TRIP_US
        moving = self.memory / (gpu.memory * MEMORY_SHARE)
        return LAUNCH_US + max(1e6 * busy, 1e6 * moving, waiting)


@dataclass(frozen=True)
class Prediction:
    """The launches of a piece of work beside what an H200 measured before them.

    Attributes:
        work: as `python -m mapt.bench.gpu` names it.
        launches: in order.
        before: microseconds of the former kernels, graphed; None: not measured.
        torchvision: microseconds of torchvision's, graphed; None: it cannot be captured.
        goal: microseconds.
    """

    work: str
    launches: tuple[Launch, ...]
    before: float | None
    torchvision: float | None
    goal: float


def laid_out(elements: int, size: int) -> Launch:
    """Copy feature maps to channels-last order."""
    blocks = math.ceil(elements / 1024)
    return Launch(
        "LayOut", blocks, 256, 0, 2.0 * size * elements, 2.0 * size * elements, 2, "fma", 56
    )


def convolution(channels: int, height: int, width: int, kind: str = "fma") -> tuple[Launch, ...]:
    """A deformable convolution 3x3 of as many filters as channels."""
    size = 2 if kind == "half" else 4
    pixels = height * width
    side = 128 if channels > 64 else 64
    tiles = math.ceil(channels / side)
    samples = pixels * 9 * channels
    depth = 64 // size
    product = Launch(
        "SamplesTimesFilters",
        math.ceil(pixels / side) * tiles,
        2 * side,
        samples * channels + tiles * samples * (4 if kind == "fma" else 1),
        tiles * samples * size * 4.0 + samples * size * channels / side,
        size * pixels * channels * 2.0 + 4 * 18 * pixels,
        math.ceil(9 * channels / depth) // 2,
        kind,
        128,
        46080 if side == 128 else 23040,
    )
    return laid_out(pixels * channels, size), product


def convolutions_of_masks() -> tuple[Launch, ...]:
    """Four convolutions of twenty masks to 16 filters, 48x156."""
    pixels = 48 * 156
    one = Launch(
        "Convolve",
        10 * math.ceil(pixels / 128),
        128,
        20 * pixels * 9 * (16 + 8.0),
        20 * pixels * 9 * 4 * 4 * 4.0,  # a cell of another row is another line
        4.0 * pixels * (20 * 17 + 18),
        8,
        "fma",
        96,
        2048,
    )
    return (one,) * 4


def propagation(covered: float) -> tuple[Launch, ...]:
    """Twenty masks of 48x156 moved; `covered` is the share of samples that read a mask."""
    pixels = 48 * 156
    samples = 20 * pixels * 36 * covered
    measured = Launch("Measure", 21, 256, 0, 80.0 * pixels, 80.0 * pixels, 10, "fma", 64, 4096)
    moved = Launch(
        "Move",
        5 * math.ceil(pixels / 64),
        256,
        samples * 14 + 5 * pixels * 36 * 24.0,
        samples * 4 * 4 * 2.0 + 5 * 8 * 36.0 * pixels,
        4.0 * pixels * (40 + 72),
        10,
        "fma",
        80,
        4160,
    )
    return measured, moved


def pooling(boxes: int, channels: int, size: int, width: int = 4) -> tuple[Launch, ...]:
    """RoIAlign over four levels of 384x1248, of values of `width` bytes."""
    cells = sum((384 // s) * (1248 // s) for s in (4, 8, 16, 32))
    outputs = boxes * channels * size * size
    groups = math.ceil(channels / 64)
    pooled = Launch(
        "PoolVectors",
        boxes * groups * math.ceil(size * size / 49),
        128,
        outputs * (24.0 if width == 4 else 32.0),
        outputs * 16.0 * width,
        float(width) * (outputs + cells * channels),
        4,
        "fma",
        96,
        14592 if width == 4 else 8320,
    )
    return laid_out(cells * channels, width), pooled


PREDICTIONS = (
    Prediction("deform_conv2d, 64 -> 64, 94x311", convolution(64, 94, 311), 1691, 98, 98),
    Prediction("the same, TF32", convolution(64, 94, 311, "tf32"), None, None, 98),
    Prediction("the same, fp16", convolution(64, 94, 311, "half"), None, None, 98),
    Prediction("deform_conv2d, 256 -> 256, 96x312", convolution(256, 96, 312), 43161, 932, 932),
    Prediction("the same, TF32", convolution(256, 96, 312, "tf32"), None, None, 932),
    Prediction("the same, fp16", convolution(256, 96, 312, "half"), None, None, 932),
    Prediction("4 shared deform_conv2d, 20 x 1 -> 16", convolutions_of_masks(), 133, 162, 133),
    Prediction("propagate_masks, dense masks", propagation(1.0), 125, 201, 40),
    Prediction("propagate_masks, ellipses", propagation(0.15), 78, 201, 40),
    Prediction("multiscale_roi_align, 1000 x 256 x 7x7", pooling(1000, 256, 7), 179, None, 90),
    Prediction("the same, fp16", pooling(1000, 256, 7, 2), 234, None, 60),
    Prediction("multiscale_roi_align, 100 x 256 x 14x14", pooling(100, 256, 14), 73, None, 73),
    Prediction("multiscale_roi_align, 300 x 64 x 7x7", pooling(300, 64, 7), 19, None, 19),
)


def table(predictions: Sequence[Prediction], gpu: Gpu) -> Iterator[str]:
    """A line for each piece of work, then one for each of its launches."""
    yield f"{'microseconds, graphed':44} {'before':>7} {'tv':>6} {'goal':>6} {'predicted':>9}"
    for p in predictions:
        before, theirs = (f"{us:.0f}" if us else "-" for us in (p.before, p.torchvision))
        total = sum(launch.microseconds(gpu) for launch in p.launches)
        yield f"{p.work:44} {before:>7} {theirs:>6} {p.goal:6.0f} {total:9.0f}"
        for launch in dict.fromkeys(p.launches):
            yield (
                f"    {launch.kernel:22} {launch.blocks:6} blocks,"
                f" {launch.resident(gpu):2} resident: {launch.microseconds(gpu):6.1f}"
            )


def with_report(predictions: Sequence[Prediction], report: Path) -> list[Prediction]:
    """Take registers and shared memory from what `mapt.bench.kernels.resources --out` wrote.

    Raises:
        InputError: the file is no such report.
    """
    try:
        kernels = json.loads(report.read_text())["kernels"]
        named = [(k["name"], int(k["registers"])) for k in kernels if k["architecture"] == "90"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{report}: is no report of mapt.bench.kernels.resources ({error})"
        ) from None

    def reported(launch: Launch) -> Launch:
        found = [
            registers for name, registers in named if launch.kernel in name and "Id" not in name
        ]
        return Launch(**{**vars(launch), "registers": max(found, default=launch.registers)})

    return [
        Prediction(**{**vars(p), "launches": tuple(map(reported, p.launches))}) for p in predictions
    ]


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table.

    Raises:
        InputError: the report cannot be read.
    """
    parser = argparse.ArgumentParser(description=text_of(__name__))
    parser.add_argument("--resources", type=Path, help="JSON of mapt.bench.kernels.resources --out")
    options = parser.parse_args(arguments)
    shown = with_report(PREDICTIONS, options.resources) if options.resources else PREDICTIONS
    print(*table(shown, Gpu()), sep="\n")


if __name__ == "__main__":
    main()
