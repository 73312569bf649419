"""Compares Ray with plain processes over the same recordings, one after the other in each round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from mapt.bench.fleet.recordings import render_recordings, small_job
from mapt.engines.choice import EngineOptions, open_engine
from mapt.engines.engine import TaskEngine
from mapt.fleet.run import FleetOptions, FleetRun, run_fleet
from mapt.fleet.sources.recordings import Recording
from mapt.io.atomic_files import temporary_folder


def measure_throughput(
    recordings: int, frames: int, rounds: int, options: EngineOptions
) -> dict[str, object]:
    """Measure the frames a second of each engine, and their ratio in each round.

    The time from a run's first finished recording to its last one counts, so that loading networks
    does not.

    Args:
        recordings: how many there are.
        frames: of each.
        rounds: how often each engine does all of them.
        options: of the engine that is compared with plain processes.

    Raises:
        InputError: the engine cannot be opened.
    """
    rates: dict[str, list[float]] = {"processes": [], options.name: []}
    with temporary_folder() as folder, ExitStack() as stack:
        found = render_recordings(folder / "data", recordings, frames)
        plain = replace(options, name="local", address=None, gpus=0.0)
        engines = {
            "processes": stack.enter_context(open_engine(plain)),
            options.name: stack.enter_context(open_engine(options)),
        }
        for number in range(rounds):
            order = list(engines) if number % 2 else list(engines)[::-1]
            for name in order:
                rates[name].append(_rate(engines[name], found, folder / f"{name}{number}"))
    ratios = [
        one / other for one, other in zip(rates[options.name], rates["processes"], strict=True)
    ]
    return {
        "frames_per_second": {name: round(statistics.median(r), 2) for name, r in rates.items()},
        "ratio": round(statistics.median(ratios), 4),
        "ratios": [round(ratio, 4) for ratio in ratios],
        "recordings": recordings,
        "frames": frames,
        "workers": options.workers,
    }


def _rate(engine: TaskEngine, recordings: Sequence[Recording], out: Path) -> float:
    """Frames a second between the first and the last recording that is finished."""
    times = list[tuple[float, int]]()

    def note(run: FleetRun) -> None:
        times.append((time.perf_counter(), run.frames))

    run_fleet(engine, small_job(out), recordings, FleetOptions(on_progress=note))
    start, first = times[0]
    end, last = times[-1]
    return (last - first) / (end - start)
