"""Runs several backends in turn on every frame, in one pass over the frames.

So latency, accuracy and parity come from the same run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.bench.latency.reference_workload import Yardstick
from mapt.bench.parity.frame_gap import compare_frames
from mapt.bench.report.constants import NETWORKS
from mapt.data.datasets.kitti_step import list_sequences, read_labelled
from mapt.labels.step_png import pack
from mapt.metrics import PanopticTrackingMetrics, Scores
from mapt.metrics.histogram import joint_histogram
from mapt.metrics.recall import RecallByArea
from mapt.metrics.results import ClassScores
from mapt.model.class_names import network_labels
from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.runtime.backends.protocol import Backend

Show = Callable[[str, int, NDArray[np.uint8], Mapping[str, PanopticFrame]], None]
QUANTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}


@dataclass(frozen=True)
class IdMismatch:
    """A frame in which a backend's ids are not the reference's.

    Attributes:
        backend: which.
        sequence: its name.
        frame: index.
        pixels: that differ in class or id.
        margin: the narrowest identity decision of either backend up to there in the sequence.
    """

    backend: str
    sequence: str
    frame: int
    pixels: int
    margin: float


@dataclass
class RunResult:
    """The measurements of a pass over the frames.

    Attributes:
        timings: milliseconds of every frame, by backend and stage; `networks` is their sum.
        scores: by backend.
        classes: scores of each class that occurs, by backend.
        sizes: found, missed and false objects by class and size, by backend.
        differences: frames whose ids differ from the first backend's.
        frames: how many were measured.
        calls: how often each network ran in every kept frame, by backend and subgraph.
        yardstick: milliseconds of `Yardstick` beside every kept frame.
        labels: a fingerprint of each frame's classes and ids, by backend and sequence.
    """

    timings: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    classes: dict[str, dict[str, ClassScores]] = field(default_factory=dict)
    sizes: dict[str, RecallByArea] = field(default_factory=dict)
    differences: list[IdMismatch] = field(default_factory=list)
    frames: int = 0
    calls: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    yardstick: list[float] = field(default_factory=list)
    labels: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def latency(self) -> dict[str, dict[str, dict[str, float]]]:
        """p50, p95, p99 and max in milliseconds, by backend and stage."""
        return {
            backend: {
                stage: {name: float(np.percentile(values, q)) for name, q in QUANTILES.items()}
                for stage, values in stages.items()
            }
            for backend, stages in self.timings.items()
        }


class Counted:
    """A backend that counts how often each subgraph runs."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name = backend.name
        self.info = backend.info
        self.providers = backend.providers
        self.calls = dict.fromkeys(NETWORKS, 0)

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        self.calls[subgraph] += 1
        return self.backend.run(subgraph, inputs)


def run_backends(
    backends: Sequence[Backend],
    root: Path,
    split: str,
    fps: float,
    *,
    warmup: int = 3,
    limit: int | None = None,
    on_progress: Callable[[], None] | None = None,
    show: Show | None = None,
) -> RunResult:
    """Step every backend's tracker through every frame, one frame each in turn.

    Args:
        backends: the first is the reference, and its classes are the data's.
        root: a folder in KITTI-STEP's layout.
        split: its label folder.
        fps: frames per second.
        warmup: frames at the start whose times are not kept.
        limit: frames of each sequence, None: all.
        on_progress: called after each frame.
        show: is given the sequence, index, image and labels, by backend, of each frame.

    Raises:
        InputError: a folder, frame or label is missing or bad.
    """
    counted = {b.name: Counted(b) for b in backends}
    result = RunResult(timings={name: {} for name in counted})
    yardstick = Yardstick()
    labels = network_labels(backends[0].info)
    metrics = {b.name: PanopticTrackingMetrics(labels) for b in backends}
    result.sizes = {b.name: RecallByArea.by_side(labels) for b in backends}
    for sequence in list_sequences(root, split):
        trackers = {name: PanopticTracker(b) for name, b in counted.items()}
        margins = {b.name: float("inf") for b in backends}
        for index, (image, truth, stamp_ns) in enumerate(
            islice(read_labelled(sequence, fps, labels), limit)
        ):
            frames: dict[str, PanopticFrame] = {}
            order = list(trackers) if index % 2 == 0 else list(reversed(trackers))
            mood = yardstick.measure()
            for name in order:
                counted[name].calls = dict.fromkeys(NETWORKS, 0)
                frames[name] = frame = trackers[name].step(image, stamp_ns)
                labelled = pack(frame.semantic, frame.instance)
                histogram = joint_histogram(pack(*truth), labelled, labels.things)
                metrics[name].add(sequence.name, histogram)
                result.sizes[name].add(histogram)
                margins[name] = min(
                    [margins[name], *(d.margin for d in frame.decisions if d.detection >= 0)]
                )
                prints = result.labels.setdefault(name, {}).setdefault(sequence.name, [])
                prints.append(fingerprint(frame.semantic, frame.instance))
                if result.frames >= warmup:
                    _keep(result, name, frame.timings_ms, counted[name].calls)
            result.yardstick += [mood] if result.frames >= warmup else []
            result.frames += 1
            result.differences += _compare(
                frames, [b.name for b in backends], margins, sequence.name, index
            )
            if show:
                show(sequence.name, index, image, frames)
            if on_progress:
                on_progress()
    for name, metric in metrics.items():
        computed = metric.compute()
        result.scores[name] = computed.dataset
        result.classes[name] = computed.classes
    return result


def fingerprint(*maps: NDArray[Any]) -> str:
    """Twelve hex digits of label maps: equal maps have equal ones."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(m).tobytes() for m in maps)).hexdigest()[
        :12
    ]


def _keep(result: RunResult, name: str, timings: dict[str, float], calls: dict[str, int]) -> None:
    networks = sum(timings.get(stage, 0.0) for stage in NETWORKS)
    for stage, value in {**{s: 0.0 for s in NETWORKS}, **timings, "networks": networks}.items():
        result.timings[name].setdefault(stage, []).append(value)
    for subgraph, number in calls.items():
        result.calls.setdefault(name, {}).setdefault(subgraph, []).append(number)


def _compare(
    frames: dict[str, PanopticFrame],
    names: list[str],
    margins: dict[str, float],
    sequence: str,
    index: int,
) -> list[IdMismatch]:
    found = []
    for name in names[1:]:
        margin = min(margins[names[0]], margins[name])
        gap = compare_frames(frames[names[0]], frames[name], sequence, index, margin)
        if gap and gap.ids:
            found.append(IdMismatch(name, sequence, index, gap.pixels, margin))
    return found
