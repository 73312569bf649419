"""Measures how the runtime's cost grows with the size of the problem.

It varies the number of objects and of threads, the length of a sequence, the network's input size
and the size of the camera's image.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.bench.accuracy.association import OURS, time_association, time_fusion
from mapt.bench.latency.scaling_fit import Law, ScalingFit, fit
from mapt.bench.report.constants import NETWORKS
from mapt.contract import BY_NAME
from mapt.evaluation.reference import reference_weights
from mapt.export.bundle.writer import Request, export_bundle
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend, Tensors
from mapt.runtime.bundle.manifest import Bundle, read_bundle

OBJECTS = (1, 3, 10, 30, 100)
SIZES = (0.5, 0.75, 1.0, 1.5)  # times the bundle's height and width
WINDOWS = (10, 20, 40, 80, 160)  # frames since the start
CAMERAS = (
    (192, 640),
    (375, 1242),
    (720, 1280),
    (1080, 1920),
)  # height and width of images; the second is KITTI's
PERIOD_NS = 100_000_000
REPEATS = 7
FRAMES = 16
WARM = 3
SWEEPS = ("objects", "threads", "sequence", "input", "image")
Series = dict[str, list[tuple[float, float]]]
Images = Sequence[NDArray[np.uint8]]
Measured = tuple[str, str, Series]  # title, unit, series


@dataclass(frozen=True)
class Sweep:
    """The costs measured while one quantity varies.

    Attributes:
        title: what was measured.
        unit: of x.
        series: (x, milliseconds) by name.
        fits: the law of each series.
    """

    title: str
    unit: str
    series: Series
    fits: dict[str, ScalingFit]


def run_scale(
    bundle: Bundle, images: Images, threads: int, cores: int, on_progress: Callable[[], None]
) -> dict[str, Sweep]:
    """Run all of `SWEEPS`.

    Args:
        bundle: what is measured, on ONNX Runtime.
        images: frames (h,w,3) of one clip, more than `WARM` of them.
        threads: of the network, where they are not what varies.
        cores: most threads to try.
        on_progress: called after each sweep.
    """
    backend = OrtBackend(bundle, threads)
    sweeps = dict[str, Sweep]()
    steps: dict[str, tuple[Callable[[], Measured], tuple[Law, ...]]] = {
        "objects": (partial(_objects, backend), ("linear", "power")),
        "threads": (partial(_threads, bundle, images, cores), ("inverse",)),
        "sequence": (partial(_sequence, backend, images), ("linear",)),
        "input": (partial(_input, bundle, images, threads), ("linear", "power")),
        "image": (partial(_image, backend, images), ("linear", "power")),
    }
    for name in SWEEPS:
        measure, laws = steps[name]
        title, unit, series = measure()
        sweeps[name] = Sweep(title, unit, series, fit_all(series, laws))
        on_progress()
    return sweeps


def fit_all(series: Series, laws: Sequence[Law]) -> dict[str, ScalingFit]:
    """Fit a law to every series with two points or more."""
    return {
        name: fit(points, laws)
        for name, points in series.items()
        if len({x for x, _ in points}) > 1
    }


def _objects(backend: Backend) -> Measured:
    """Measure the cost of the per-object heads, the association and the fusion.

    The heads run on noise. The association and the fusion run on drawn crowds.
    """
    sizes = backend.info.sizes
    series = Series()
    inputs = {name: _noise(backend, name) for name in ("motion", "appearance")}
    for count in OBJECTS:
        calls = -(-count // sizes["N"])
        for name, given in inputs.items():
            ms = [_ms(partial(backend.run, name, given), calls) for _ in range(REPEATS)]
            series.setdefault(name, []).append((count, statistics.median(ms)))
        alone, fused = (
            measure(count, 30)[OURS].wall["p50"] for measure in (time_association, time_fusion)
        )
        series.setdefault("association", []).append((count, alone))
        series.setdefault("fusion and association", []).append((count, fused))
    rows = sizes["N"]
    return (
        f"Objects in a frame; motion and appearance run {rows} at a time, so they grow in steps.",
        "objects",
        series,
    )


def _noise(backend: Backend, subgraph: str) -> Tensors:
    rng = np.random.default_rng(0)
    sizes = backend.info.sizes
    given: dict[str, Any] = {
        t.name: rng.random(t.resolve(sizes), np.float32) for t in BY_NAME[subgraph].inputs
    }
    given["rows"] = np.arange(sizes["N"], dtype=np.int32) % sizes["D"]
    given["boxes"][:, 2:] = given["boxes"][:, :2] + np.float32(64)
    return given


def _threads(bundle: Bundle, images: Images, cores: int) -> Measured:
    counts = sorted({1, *(2**k for k in range(1, 8) if 2**k < cores), cores})
    points = [(float(n), _median_frame(OrtBackend(bundle, n), images)) for n in counts]
    return "Threads of the network, whole frame.", "threads", {"frame": points}


def _input(bundle: Bundle, images: Images, threads: int) -> Measured:
    """Measure the same weights, exported in float32, at each input size.

    At its own size a float32 bundle is measured itself.
    """
    info = bundle.info
    points = []
    with tempfile.TemporaryDirectory(prefix="mapt-scale-") as folder:
        for factor in SIZES:
            height, width = (
                max(64, 32 * round(side * factor / 32)) for side in (info.height, info.width)
            )
            other = bundle
            if factor != 1 or bundle.precision != "fp32":
                out = Path(folder, str(factor))
                size = (height, width)
                request = Request(size=size, lowering=bundle.lowering)  # type: ignore[arg-type]
                export_bundle(reference_weights(bundle), out, request)
                other = read_bundle(out)
            points.append(
                (round(height * width / 1e6, 3), _median_frame(OrtBackend(other, threads), images))
            )
    return "The network's input, whole frame, float32.", "megapixels", {"frame": points}


def _image(backend: Backend, images: Images) -> Measured:
    """Measure one tracker for every size of the camera's image, in turn.

    Each frame is resized beforehand.
    """
    trackers = {size: PanopticTracker(backend) for size in CAMERAS}
    spent: dict[tuple[int, int], list[dict[str, float]]] = {size: [] for size in CAMERAS}
    for number, image in enumerate(images[:FRAMES]):
        for (height, width), tracker in trackers.items():
            seen = np.asarray(cv2.resize(image, (width, height)), np.uint8)
            times = tracker.step(seen, number * PERIOD_NS).timings_ms
            spent[height, width].append(
                {**times, "networks": sum(times.get(stage, 0.0) for stage in NETWORKS)}
            )
    series = Series()
    for (height, width), frames in spent.items():
        for stage in ("preprocess", "fusion", "output", "networks", "frame"):
            median = statistics.median(times[stage] for times in frames[WARM:])
            series.setdefault(stage, []).append((round(height * width / 1e6, 3), median))
    sizes = ", ".join(f"{height}x{width}" for height, width in CAMERAS)
    info = backend.info
    return (
        (
            f"The camera's image, {sizes}: the same frames stretched. The network's input is always"
            f" {info.height}x{info.width}, where fusion works, too."
        ),
        "megapixels",
        series,
    )


def _sequence(backend: Backend, images: Images) -> Measured:
    """One tracker that is never reset, on a clip played to and fro."""
    tracker = PanopticTracker(backend)
    spent = list[dict[str, float]]()
    there_and_back = [*images, *images[-2:0:-1]]
    for number in range(WINDOWS[-1]):
        frame = tracker.step(there_and_back[number % len(there_and_back)], number * PERIOD_NS)
        spent.append(frame.timings_ms)
    series = Series()
    begin = WARM
    for end in WINDOWS:
        for stage in ("frame", "association"):
            median = statistics.median(times[stage] for times in spent[begin:end])
            series.setdefault(stage, []).append((end, median))
        begin = end
    return "Frames since the start; the median of the frames up to there.", "frames", series


def _median_frame(backend: Backend, images: Images) -> float:
    tracker = PanopticTracker(backend)
    times = [
        tracker.step(image, n * PERIOD_NS).timings_ms["frame"]
        for n, image in enumerate(images[:FRAMES])
    ]
    return statistics.median(times[WARM:])


def _ms(call: Callable[[], object], times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begin) * 1e3
