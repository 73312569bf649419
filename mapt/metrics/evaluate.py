"""Folders to results: frames are read and counted by threads, and added in their order, so workers change no bit."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from mapt.metrics import PanopticTrackingMetrics
from mapt.metrics.folders import LABELS, THINGS_ONLY, FramePair
from mapt.metrics.histogram import JointHistogram
from mapt.metrics.recall import RecallByArea

Variant = Literal["step", "nuscenes"]
AHEAD = 4  # frames in flight per worker: what bounds the memory


@dataclass
class Evaluation:
    """Sums of the frames seen so far; `recall` only where ground truth is of things alone."""

    metrics: PanopticTrackingMetrics
    recall: RecallByArea | None

    @classmethod
    def empty(cls, dataset: str, variant: Variant = "step") -> Evaluation:
        """Nothing seen."""
        labels = LABELS[dataset]
        recall = RecallByArea(labels) if dataset == THINGS_ONLY else None
        return cls(PanopticTrackingMetrics(labels, variant), recall)

    def add(self, sequence: str, histogram: JointHistogram) -> None:
        """Take in the next frame of a sequence."""
        self.metrics.add(sequence, histogram)
        if self.recall:
            self.recall.add(histogram)

    def merge(self, other: Evaluation) -> None:
        """Take in what `other` has seen."""
        self.metrics.merge(other.metrics)
        if self.recall and other.recall:
            self.recall.merge(other.recall)

    def to_json(self) -> dict[str, Any]:
        """Plain values: the results, and recall by area where it is known."""
        recall = {"recall_by_area": self.recall.to_json()} if self.recall else {}
        return {**self.metrics.compute().to_json(), **recall}


def evaluate_pairs(
    pairs: Iterable[FramePair],
    dataset: str,
    variant: Variant = "step",
    workers: int = 1,
    done: Callable[[], None] | None = None,
) -> Evaluation:
    """Read, count and add frames.

    Args:
        pairs: from `pair_frames`, the frames of each sequence in order.
        dataset: name.
        variant: see `PanopticTrackingMetrics`.
        workers: threads that decode and count; the result is the same bit by bit.
        done: called after each frame.

    Raises:
        InputError: a frame cannot be read or does not fit; nothing is computed then.
    """
    evaluation = Evaluation.empty(dataset, variant)
    for sequence, histogram in _histograms(pairs, dataset, workers):
        evaluation.add(sequence, histogram)
        if done:
            done()
    return evaluation


def _histograms(pairs: Iterable[FramePair], dataset: str, workers: int) -> Iterator[tuple[str, JointHistogram]]:
    """Histograms in the order of the frames, a bounded number of them computed ahead."""
    if workers <= 1:
        for pair in pairs:
            yield pair.sequence, pair.count(dataset)
        return
    waiting: deque[tuple[str, Future[JointHistogram]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for pair in pairs:
                waiting.append((pair.sequence, pool.submit(pair.count, dataset)))
                if len(waiting) > AHEAD * workers:
                    sequence, future = waiting.popleft()
                    yield sequence, future.result()
            while waiting:
                sequence, future = waiting.popleft()
                yield sequence, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
