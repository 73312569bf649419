"""Measures what a deadline costs in accuracy.

The same frames are tracked with shorter and shorter deadlines. Reported are the heads that were
left out, and the accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from mapt.data.datasets.kitti_step import list_sequences, read_labelled
from mapt.metrics import PanopticTrackingMetrics
from mapt.model.class_names import network_labels
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.protocol import Backend

SHARES = (1.5, 1.25, 1.1, 1.0, 0.9, 0.8, 0.7)  # of the median frame without a deadline


@dataclass(frozen=True)
class Point:
    """The results with one deadline.

    Attributes:
        deadline_ms: milliseconds; None: there was none.
        frames: measured.
        late: share of frames that came after it.
        no_appearance: share of frames without the appearance head.
        no_motion: share of frames without both heads.
        p50, p99: milliseconds of a frame.
        TQ: tracking quality in [0,1], None where undefined.
        IDS: identity switches.
    """

    deadline_ms: float | None
    frames: int
    late: float
    no_appearance: float
    no_motion: float
    p50: float
    p99: float
    TQ: float | None
    IDS: int


def run_deadlines(
    backend: Backend,
    root: Path,
    split: str,
    fps: float,
    on_progress: Callable[[], None] | None = None,
) -> list[Point]:
    """Measure without a deadline, then with those of `SHARES`.

    Args:
        backend: runs the network.
        root: a folder in KITTI-STEP's layout.
        split: its label folder.
        fps: frames per second.
        on_progress: called after each point.
    """
    points = [measure(backend, root, split, fps, None)]
    for share in SHARES:
        if on_progress:
            on_progress()
        points.append(measure(backend, root, split, fps, share * points[0].p50))
    if on_progress:
        on_progress()
    return points


def measure(
    backend: Backend, root: Path, split: str, fps: float, deadline_ms: float | None, warmup: int = 3
) -> Point:
    """Track every sequence with one deadline and measure times, skipped heads and accuracy.

    The first `warmup` frames teach the tracker its costs and are not counted.
    """
    labels = network_labels(backend.info)
    metrics = PanopticTrackingMetrics(labels)
    times = []
    left_out = []
    for sequence in list_sequences(root, split):
        tracker = PanopticTracker(backend)
        for index, (image, truth, stamp_ns) in enumerate(read_labelled(sequence, fps, labels)):
            limit = deadline_ms if index >= warmup else None
            frame = tracker.step(image, stamp_ns, limit)
            metrics.update(sequence.name, truth, (frame.semantic, frame.instance))
            if index >= warmup:
                times.append(frame.timings_ms["frame"])
                left_out.append(frame.degraded)
    scores = metrics.compute().dataset
    late = np.array(times) > (deadline_ms or np.inf)
    return Point(
        deadline_ms,
        len(times),
        float(late.mean()),
        float(np.mean(["appearance" in heads for heads in left_out])),
        float(np.mean(["motion" in heads for heads in left_out])),
        float(np.percentile(times, 50)),
        float(np.percentile(times, 99)),
        scores.TQ,
        scores.IDS,
    )


def print_deadlines(console: Console, points: list[Point]) -> None:
    """Print the results by deadline as a table."""
    table = Table("deadline ms", "late", "no appearance", "no motion", "p50", "p99", "TQ", "IDS")
    for p in points:
        shares = (f"{100 * v:.0f} %" for v in (p.late, p.no_appearance, p.no_motion))
        name = "none" if p.deadline_ms is None else f"{p.deadline_ms:.1f}"
        tq = 100 * (p.TQ or 0.0)
        table.add_row(name, *shares, f"{p.p50:.1f}", f"{p.p99:.1f}", f"{tq:.1f}", str(p.IDS))
    console.print(table)
