"""Evaluates folders of predictions.

Threads read and count the frames. The counts are added in the frames' order, so the results do not
depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mapt.io.prefetch import map_ahead
from mapt.metrics import PanopticTrackingMetrics
from mapt.metrics.frame_pair import THINGS_ONLY, FramePair, labels_of
from mapt.metrics.histogram import JointHistogram
from mapt.metrics.mot import MotMetrics
from mapt.metrics.recall import RecallByArea

Variant = Literal["step", "nuscenes"]


@dataclass
class Evaluation:
    """Sums of the frames seen so far.

    Attributes:
        metrics: of whole frames.
        mot: HOTA, IDF1, MOTA and MOTSA of the things.
        sizes: objects by the root of their area.
        recall: by area, only where ground truth is of things alone.
    """

    metrics: PanopticTrackingMetrics
    mot: MotMetrics
    sizes: RecallByArea
    recall: RecallByArea | None

    @classmethod
    def empty(cls, dataset: str, variant: Variant = "step") -> Evaluation:
        """Nothing seen."""
        labels = labels_of(dataset)
        recall = RecallByArea(labels) if dataset == THINGS_ONLY else None
        return cls(
            PanopticTrackingMetrics(labels, variant),
            MotMetrics(labels),
            RecallByArea.by_side(labels),
            recall,
        )

    def add(self, sequence: str, histogram: JointHistogram) -> None:
        """Take in the next frame of a sequence."""
        self.metrics.add(sequence, histogram)
        self.mot.add(sequence, histogram)
        self.sizes.add(histogram)
        if self.recall:
            self.recall.add(histogram)

    def merge(self, other: Evaluation) -> None:
        """Take in what `other` has seen."""
        self.metrics.merge(other.metrics)
        self.mot.merge(other.mot)
        self.sizes.merge(other.sizes)
        if self.recall and other.recall:
            self.recall.merge(other.recall)

    def to_json(self) -> dict[str, Any]:
        """Plain values: the results, objects by size, and recall by area where it is known."""
        results = self.metrics.compute().to_json()
        mot = self.mot.compute().to_json()
        recall = {"recall_by_area": self.recall.to_json()} if self.recall else {}
        return {
            "dataset": results["dataset"] | mot["dataset"],
            "sequences": {
                name: scores | mot["sequences"][name]
                for name, scores in results["sequences"].items()
            },
            "classes": {
                name: scores | mot["classes"].get(name, {})
                for name, scores in results["classes"].items()
            },
            "objects_by_size": self.sizes.to_json(),
            **recall,
        }


def evaluate_pairs(
    pairs: Iterable[FramePair],
    dataset: str,
    variant: Variant = "step",
    workers: int = 1,
    on_progress: Callable[[], None] | None = None,
) -> Evaluation:
    """Read, count and add frames.

    Args:
        pairs: from `pair_frames`, the frames of each sequence in order.
        dataset: name.
        variant: see `PanopticTrackingMetrics`.
        workers: threads that decode and count; the result is the same bit by bit.
        on_progress: called after each frame.

    Raises:
        InputError: a frame cannot be read or does not fit; nothing is computed then.
    """
    evaluation = Evaluation.empty(dataset, variant)
    for pair, histogram in map_ahead(lambda pair: pair.count(dataset), pairs, workers):
        evaluation.add(pair.sequence, histogram)
        if on_progress:
            on_progress()
    return evaluation
