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
from numpy.typing import NDArray

from mapt.bench.accuracy.baselines import INSTALL, find_peers
from mapt.bench.cli_errors import told_in_one_line
from mapt.contract import Thresholds
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.mots_text import (
    CLASSES,
    MotsObject,
    frame_size,
    mots_texts,
    read_mots_text,
    to_panoptic,
)
from mapt.labels.step_png import BACKGROUND
from mapt.metrics import PanopticTrackingMetrics, Results
from mapt.runtime.association.tracks import TrackTable
from mapt.runtime.perception.fusion import Detections, Fused, fuse

Float = NDArray[np.float32]
HEIGHT = 384  # KITTI's 375x1242 in the network's input
WIDTH = 1248
EMBEDDING = 256
CAR = 13
PERIOD = 100_000_000  # ns
OURS = "MAPT"
LIMITS_MS = {
    "30 objects": ("p50", 1.0),
    "100 objects": ("p99", 3.0),
    "fusion, 20 instances": ("p50", 12.0),
}
DROPPED = 0.1  # of the masks, where detections are spoilt
MOVED = 2  # pixels at most by which a mask is moved each way, and grown or shrunk
GROWN = 1


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


def crowd(count: int, frames: int, seed: int = 0) -> Iterator[tuple[Fused, Float]]:
    """Generate ellipses that move through the picture.

    Distant ones are small and high up. Each frame is a pair (instances, embeddings).
    """
    rng = np.random.default_rng(seed)
    wide = np.exp(rng.uniform(np.log(20), np.log(90), count))  # pixels
    centre = np.stack((rng.uniform(0, WIDTH, count), 150 + 2 * wide + rng.normal(0, 15, count)), 1)
    speed = rng.normal(0, 4, count)
    looks = rng.normal(size=(count, EMBEDDING)).astype(np.float32)
    order = np.argsort(wide)
    for number in range(frames):
        index = np.zeros((HEIGHT, WIDTH), np.int32)
        for k in order:  # near ones cover far ones
            x = round(centre[k, 0] + speed[k] * number) % WIDTH
            y = round(centre[k, 1])
            axes = (round(wide[k] / 2), round(wide[k] * 0.3))
            cv2.ellipse(index, (x, y), axes, 0, 0, 360, int(k) + 1, -1)
        hidden = rng.random(count) < 0.02
        index[np.isin(index, np.flatnonzero(hidden) + 1)] = 0
        noisy = looks + rng.normal(0, 0.1, looks.shape).astype(np.float32)
        fused, rows = instances(index, np.full(count, CAR, np.int32))
        yield fused, noisy[rows] / np.linalg.norm(noisy[rows], axis=1, keepdims=True)


def instances(
    index: NDArray[np.int32], labels: NDArray[np.int32]
) -> tuple[Fused, NDArray[np.intp]]:
    """Build what the fusion would output for a drawn map, and find the visible objects.

    The map (H,W) holds i + 1 where object i is. The second result holds the rows of the visible
    objects.
    """
    rows = np.flatnonzero(np.bincount(index.ravel())[1:])
    boxes = np.zeros((len(rows), 4), np.float32)
    masks8 = np.zeros((len(rows), 1, HEIGHT // 8, WIDTH // 8), np.float32)
    for i, row in enumerate(rows):
        mask = (index == row + 1).astype(np.float32)
        x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
        boxes[i] = x, y, x + w, y + h
        masks8[i, 0] = cv2.resize(mask, (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA)
    count = len(rows)
    scores = np.full(count, 0.9, np.float32)
    logits = np.zeros((count, 28, 28), np.float32)
    return (
        Fused(Detections(boxes, scores, labels[rows], logits, masks8), index, masks8, boxes),
        rows,
    )


def carried(table: TrackTable) -> Float:
    """Return the active tracks' masks at their old places, as propagation would predict them.

    Empty pixels get a small positive value, because a network's masks are faintly positive
    everywhere.
    """
    masks = [track.mask8 for track in table.active()]
    return (
        np.maximum(np.stack(masks), 1e-6)
        if masks
        else np.zeros((0, 1, HEIGHT // 8, WIDTH // 8), np.float32)
    )


def time_association(count: int, frames: int) -> dict[str, AssociationTiming]:
    """Time `TrackTable.update` on given masks and embeddings, in turn with the baselines.

    Both stages of the association run. Baselines that are not installed are left out.
    """
    limits = Thresholds(similarity=0.8)
    table = TrackTable(limits, "full")
    peers = find_peers(1e9 / PERIOD, limits.score)

    def steps() -> Iterator[Steps]:
        nonlocal table
        for number, (fused, looks) in enumerate(crowd(count, frames)):
            masks = carried(table)
            before = table
            after = []
            given = (fused, masks, looks, number * PERIOD)
            ours = lambda: after.append(before.update(*given)[0])  # noqa: B023, E731
            yield {OURS: ours, **{name: peer.prepare(fused) for name, peer in peers.items()}}
            table = after[0]

    return timed(steps())


def time_fusion(count: int, frames: int) -> dict[str, AssociationTiming]:
    """Time the fusion (Eq. 8) at 375x1242, and the association of its instances."""
    rng = np.random.default_rng(0)
    limits = Thresholds()
    stuff = KITTI_STEP.stuff
    y, x = np.mgrid[0:28, 0:28] / 13.5 - 1
    blob = (6 - 9 * (x**2 + y**2)).astype(np.float32)
    wide = np.exp(rng.uniform(np.log(40), np.log(260), count))
    corner = np.stack((rng.uniform(0, WIDTH - 260, count), rng.uniform(130, 220, count)), 1)
    rough = rng.normal(0, 2, (len(KITTI_STEP.classes), 12, 39)).astype(np.float32)
    logits = np.stack([cv2.resize(plane, (WIDTH // 4, HEIGHT // 4)) for plane in rough])
    logits[CAR] += 3
    table = TrackTable(limits, "full")

    def step(number: int) -> TrackTable:
        place = corner + (4 * number % 200, 0)
        boxes = np.concatenate((place, place + np.stack((wide, wide * 0.6), 1)), 1).astype(
            np.float32
        )
        scores = np.linspace(0.95, 0.5, count, dtype=np.float32)
        labels = np.full(count, CAR, np.int32)
        masks8 = np.zeros((count, 1, HEIGHT // 8, WIDTH // 8), np.float32)
        found = Detections(boxes, scores, labels, np.repeat(blob[None], count, 0), masks8)
        fused = fuse(found, logits, stuff, limits)
        looks = np.ones((len(fused.detections), EMBEDDING), np.float32) / np.float32(EMBEDDING**0.5)
        return table.update(fused, carried(table), looks, number * PERIOD)[0]

    def steps() -> Iterator[Steps]:
        nonlocal table
        for number in range(frames):
            after: list[TrackTable] = []
            yield {OURS: lambda: after.append(step(number))}  # noqa: B023
            table = after[0]

    return timed(steps())


def track_mots(root: Path, spoilt: bool, on_progress: Callable[[], None] | None = None) -> Results:
    """Score matching by static mask IoU alone, given KITTI-MOTS ground-truth masks as detections.

    Each mask is predicted to stay where it was. Neither the image nor any embedding is used.

    Args:
        root: the texts.
        spoilt: drop 10 % of the masks and jitter the others.
        on_progress: called after each sequence.

    Raises:
        InputError: no text, or a bad one.
    """
    texts = mots_texts(root)
    if not texts:
        raise InputError(
            f"{root}: holds no KITTI-MOTS text; give the folder of 0000.txt, 0001.txt, ..."
        )
    metrics = PanopticTrackingMetrics(KITTI_STEP)
    for name, path in texts.items():
        frames = read_mots_text(path)
        table = TrackTable(Thresholds(), "iou")
        rng = np.random.default_rng(int(name) if name.isdigit() else 0)
        size = frame_size(frames)
        if size is None:
            continue  # without an object there is nothing to associate
        for number in range(max(frames) + 1):
            objects = frames.get(number, [])
            truth = to_panoptic(objects, size, f"{path} frame {number}")
            index, labels = detect(objects, size, rng if spoilt else None)
            fused, rows = instances(index, labels)
            masks = (
                np.stack([t.mask8 for t in table.active()]) if table.active() else fused.masks8[:0]
            )
            looks = np.zeros((len(rows), 1), np.float32)
            table, ids, _ = table.update(fused, masks, looks, number * PERIOD)
            metrics.update(
                name, truth, (_semantic(index, labels, size), _identities(index, rows, ids, size))
            )
        if on_progress:
            on_progress()
    return metrics.compute()


def detect(
    objects: list[MotsObject], size: tuple[int, int], rng: np.random.Generator | None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw the detections of a frame: a map (H,W) of i + 1 where object i is, and their labels.

    With `rng`, some masks are dropped and the others jittered.
    """
    seen = [o for o in objects if o.label in CLASSES]
    index = np.zeros((HEIGHT, WIDTH), np.int32)
    for i, thing in enumerate(seen):
        mask = thing.mask().astype(np.uint8)
        if rng is not None:
            kept = rng.random() >= DROPPED
            shift = rng.integers(-MOVED, MOVED + 1, 2)
            rounds = int(rng.integers(-GROWN, GROWN + 1))
            change = cv2.dilate if rounds > 0 else cv2.erode
            changed = np.asarray(
                change(mask, np.ones((3, 3), np.uint8), iterations=abs(rounds)), np.uint8
            )
            mask = np.roll(changed if kept else np.zeros_like(changed), shift, (0, 1))
        index[: size[0], : size[1]][(mask > 0) & (index[: size[0], : size[1]] == 0)] = i + 1
    return index, np.array([CLASSES[o.label] for o in seen], np.int32)


def _semantic(
    index: NDArray[np.int32], labels: NDArray[np.int32], size: tuple[int, int]
) -> NDArray[np.uint8]:
    table = np.full(len(labels) + 1, BACKGROUND, np.uint8)
    table[1:] = labels
    semantic: NDArray[np.uint8] = table[index[: size[0], : size[1]]]
    return semantic


def _identities(
    index: NDArray[np.int32], rows: NDArray[np.intp], ids: list[int], size: tuple[int, int]
) -> NDArray[np.int32]:
    table = np.zeros(int(index.max(initial=0)) + 1, np.int32)
    table[rows + 1] = ids
    instance: NDArray[np.int32] = table[index[: size[0], : size[1]]]
    return instance


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
