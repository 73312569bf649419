"""Measures the speed of association alone, and its quality on KITTI-MOTS ground-truth masks.

Run it with `python -m mapt.bench.accuracy.association`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from mapt.bench.accuracy.baselines import INSTALL, find_peers
from mapt.bench.accuracy.crowd import (
    CAR,
    EMBEDDING,
    HEIGHT,
    PERIOD,
    WIDTH,
    crowd,
    static_masks,
)
from mapt.bench.accuracy.mots_tracking import track_mots
from mapt.bench.cli_errors import told_in_one_line
from mapt.contract import Thresholds
from mapt.docstrings import text_of
from mapt.labels.class_sets import KITTI_STEP
from mapt.runtime.association.tracks import TrackTable
from mapt.runtime.perception.fusion import Detections, fuse

OURS = "MAPT"
LIMITS_MS = {
    "30 objects": ("p50", 1.0),
    "100 objects": ("p99", 3.0),
    "fusion, 20 instances": ("p50", 12.0),
}


@dataclass(frozen=True)
class AssociationTiming:
    """Milliseconds of one case, as wall-clock time and as CPU time of this thread.

    Other programs on the machine lengthen the wall-clock time, but not the thread's time.
    """

    wall: dict[str, float]
    thread: dict[str, float]


Steps = dict[str, Callable[[], object]]  # of one frame, by contender


def timed(frames: Iterator[Steps], warmup: int = 10) -> dict[str, AssociationTiming]:
    """Time every step once, frame by frame, with the contenders in turn."""
    wall: dict[str, list[float]] = {}
    thread: dict[str, list[float]] = {}
    for number, steps in enumerate(frames):
        for name in list(steps)[:: 1 if number % 2 else -1]:
            start = time.perf_counter_ns()
            own = time.thread_time_ns()
            steps[name]()
            spent = time.perf_counter_ns() - start
            used = time.thread_time_ns() - own
            if number >= warmup:
                wall.setdefault(name, []).append(spent / 1e6)
                thread.setdefault(name, []).append(used / 1e6)
    return {
        name: AssociationTiming(_quantiles(wall[name]), _quantiles(thread[name])) for name in wall
    }


def _quantiles(ms: list[float]) -> dict[str, float]:
    return {q: float(np.percentile(ms, int(q[1:]))) for q in ("p50", "p99")}


def time_association(count: int, frames: int) -> dict[str, AssociationTiming]:
    """Time `TrackTable.update` on given masks and embeddings, in turn with the baselines.

    Both stages of the association run. Baselines that are not installed are left out.
    """
    thresholds = Thresholds(similarity=0.8)
    table = TrackTable(thresholds, "full")
    baselines = find_peers(1e9 / PERIOD, thresholds.score)

    def steps() -> Iterator[Steps]:
        nonlocal table
        for number, (fused, embeddings) in enumerate(crowd(count, frames)):
            masks = static_masks(table)
            before = table
            after = []
            given = (fused, masks, embeddings, number * PERIOD)
            ours = lambda: after.append(before.update(*given)[0])  # noqa: B023, E731
            yield {
                OURS: ours,
                **{name: baseline.prepare(fused) for name, baseline in baselines.items()},
            }
            table = after[0]

    return timed(steps())


def time_fusion(count: int, frames: int) -> dict[str, AssociationTiming]:
    """Time the fusion (Eq. 8) at 375x1242, and the association of its instances."""
    rng = np.random.default_rng(0)
    thresholds = Thresholds()
    y, x = np.mgrid[0:28, 0:28] / 13.5 - 1
    blob = (6 - 9 * (x**2 + y**2)).astype(np.float32)
    widths = np.exp(rng.uniform(np.log(40), np.log(260), count))
    corner = np.stack((rng.uniform(0, WIDTH - 260, count), rng.uniform(130, 220, count)), 1)
    rough = rng.normal(0, 2, (len(KITTI_STEP.classes), 12, 39)).astype(np.float32)
    logits = np.stack([cv2.resize(plane, (WIDTH // 4, HEIGHT // 4)) for plane in rough])
    logits[CAR] += 3
    margins = logits[list(KITTI_STEP.things)] - logits[list(KITTI_STEP.stuff)].max(0)
    table = TrackTable(thresholds, "full")

    def step(number: int) -> TrackTable:
        place = corner + (4 * number % 200, 0)
        boxes = np.concatenate((place, place + np.stack((widths, widths * 0.6), 1)), 1).astype(
            np.float32
        )
        scores = np.linspace(0.95, 0.5, count, dtype=np.float32)
        labels = np.full(count, CAR, np.int32)
        slots = np.arange(count, dtype=np.int32)
        found = Detections(boxes, scores, labels, np.repeat(blob[None], count, 0), slots)
        fused = fuse(found, margins, KITTI_STEP.things, thresholds)
        embeddings = np.ones((len(fused.detections), EMBEDDING), np.float32) / np.float32(
            EMBEDDING**0.5
        )
        return table.update(fused, static_masks(table), embeddings, number * PERIOD)[0]

    def steps() -> Iterator[Steps]:
        nonlocal table
        for number in range(frames):
            after: list[TrackTable] = []
            yield {OURS: lambda: after.append(step(number))}  # noqa: B023
            table = after[0]

    return timed(steps())


@told_in_one_line()
def main() -> None:
    """Print the tables; `--json FILE` writes them too."""
    from rich.console import Console
    from rich.table import Table

    from mapt.bench.machine import describe_machine
    from mapt.io.atomic_files import write_json

    parser = argparse.ArgumentParser(description=text_of(__name__))
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument(
        "--mots",
        type=Path,
        help="KITTI-MOTS' instances_txt: TQ and IDS with its masks as detections",
    )
    parser.add_argument("--json", type=Path, help="write the numbers here")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    cases = {
        "30 objects": time_association(30, arguments.frames),
        "100 objects": time_association(100, arguments.frames),
        "fusion, 20 instances": time_fusion(20, arguments.frames),
    }
    console = Console()
    table = Table(
        "ms, one core", "", "p50", "p99", "p50 of the thread", "p99 of the thread", "limit"
    )
    for name, case in cases.items():
        for contender in sorted(case, key=lambda who: who != OURS):
            t = case[contender]
            values = (t.wall["p50"], t.wall["p99"], t.thread["p50"], t.thread["p99"])
            limit = f"{LIMITS_MS[name][0]} {LIMITS_MS[name][1]:g}" if contender == OURS else ""
            table.add_row(
                name if contender == OURS else "", contender, *(f"{v:.2f}" for v in values), limit
            )
    console.print(table)
    if len(cases["30 objects"]) == 1:
        console.print(INSTALL, markup=False)
    report: dict[str, object] = {"machine": describe_machine(1), "frames": arguments.frames}
    report["ms"] = {
        name: {who: asdict(timing) for who, timing in case.items()} for name, case in cases.items()
    }
    if arguments.mots:
        table = Table("KITTI-MOTS masks", "TQ", "IDS", "tracks", "PQ")
        for name, spoilt in (("clean", False), ("10 % dropped, jittered", True)):
            scores = track_mots(arguments.mots, spoilt).dataset
            tq, pq = (100 * (v or 0.0) for v in (scores.TQ, scores.PQ))
            table.add_row(
                name, f"{tq:.1f}", str(scores.IDS), str(scores.num_gt_tracks), f"{pq:.1f}"
            )
            report[name] = {
                "TQ": scores.TQ,
                "IDS": scores.IDS,
                "tracks": scores.num_gt_tracks,
                "PQ": scores.PQ,
            }
        console.print(table)
    if arguments.json:
        write_json(arguments.json, report)


if __name__ == "__main__":
    main()
