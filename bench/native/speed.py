"""Measures fusion, association and output of the native tracker beside the Python one.

Both label the same frames in turn, on a network that takes no time. Times are the thread's own, so
that other programs do not count. Run it with
`python -m mapt.bench.native.speed`; it compiles the native core first.
"""

from __future__ import annotations

import argparse
import time
from types import SimpleNamespace

import numpy as np

from mapt.bench.accuracy.crowd import EMBEDDING, HEIGHT, PERIOD, WIDTH, crowd
from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.native.scripted_backend import ScriptedBackend
from mapt.bench.native.scripted_core import ScriptedCore
from mapt.bench.native.scripts import say
from mapt.contract import ModelInfo, Thresholds
from mapt.runtime import PanopticTracker
from mapt.runtime.perception import pipeline

WARM = 10  # frames whose times are not kept
STAGES = ("fusion", "association", "output")
CORES = ("python", "native")
WANTED = {30: "p50 0.15 ms", 100: "p99 0.5 ms"}  # of the native association, by objects
FASTER = 4  # times as fast, all stages together


def network(slots: int) -> ModelInfo:
    """A network of KITTI's size."""
    sizes = {
        "H": HEIGHT, "W": WIDTH, "K": 2, "T": 1, "D": slots, "N": 16, "F": 1, "S": 1, "C": 1,
        "M": 1, "E": EMBEDDING,
    }  # fmt: skip
    limits = Thresholds(similarity=0.8)
    return ModelInfo("nano", HEIGHT, WIDTH, ("road", "car"), (1,), sizes, limits)


def measure(count: int, frames: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of every frame, by core and stage.

    Args:
        count: objects.
        frames: how many are measured.
    """
    info = network(count)
    backend = ScriptedBackend(info, lambda _: None)
    python = PanopticTracker(backend, model="speed")
    vars(pipeline)["time"] = SimpleNamespace(perf_counter_ns=time.thread_time_ns)
    native = ScriptedCore(info, "full", None, "speed", timed=True)
    times: dict[str, dict[str, list[float]]] = {core: {s: [] for s in STAGES} for core in CORES}
    rng = np.random.default_rng(0)
    for number, (fused, embeddings) in enumerate(crowd(count, WARM + frames)):
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        looks = np.zeros((count, EMBEDDING), np.float32)
        rows = np.flatnonzero(np.bincount(fused.index.ravel(), minlength=count + 1)[1:])
        looks[rows] = embeddings
        script = say(info, fused.index, np.ones(count, np.int32), looks)
        backend.script = script
        stamp = number * PERIOD
        spent = {}
        for core in CORES[:: 1 if number % 2 else -1]:
            if core == "python":
                spent[core] = python.step(image, stamp).timings_ms
            else:
                native.step({**script, "pixels": image}, (HEIGHT, WIDTH), stamp, None)
                spent[core] = native.timings_ms()
        assert native.next_id() == python.next_id, "the cores disagree; run make native-test"
        if number >= WARM:
            for core in CORES:
                for stage in STAGES:
                    times[core][stage].append(spent[core][stage])
    native.close()
    return times


def show(count: int, times: dict[str, dict[str, list[float]]]) -> None:
    """Print p50 and p99 of each stage and of their sum, and how much faster the native core is."""
    print(f"{count} objects, {len(times['python']['fusion'])} frames of {HEIGHT}x{WIDTH}")
    for stage in (*STAGES, "together"):
        parts = STAGES if stage == "together" else (stage,)
        sums = {core: np.sum([times[core][part] for part in parts], 0) for core in CORES}
        told = ", ".join(
            f"{core} {np.percentile(ms, 50):.3f} / {np.percentile(ms, 99):.3f} ms"
            for core, ms in sums.items()
        )
        ratio = float(np.median(sums["python"] / sums["native"]))
        goal = f", wanted {FASTER}" if stage == "together" else ""
        if stage == "association" and count in WANTED:
            goal = f", wanted of native {WANTED[count]}"
        print(f"  {stage:12} p50 / p99: {told}; {ratio:.1f} times as fast{goal}")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Native against Python core, interleaved.")
    parser.add_argument("--objects", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--frames", type=int, default=200)
    arguments = parser.parse_args()
    with told_in_one_line():
        for count in arguments.objects:
            show(count, measure(count, arguments.frames))


if __name__ == "__main__":
    main()
