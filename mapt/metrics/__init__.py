"""PQ, SQ, AQ, STQ, TQ and PAT, streaming and mergeable, from one joint histogram per frame."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mapt.labels.class_sets import ClassSet
from mapt.labels.step_png import BACKGROUND, VOID, pack
from mapt.metrics.histogram import JointHistogram, joint_histogram
from mapt.metrics.results import ClassScores, Results, Scores, compute_classes, compute_scores
from mapt.metrics.sequence import SequenceSums

__all__ = ["ClassScores", "PanopticTrackingMetrics", "Results", "Scores"]

Frame = tuple[NDArray[np.uint8], NDArray[np.int32]]


class PanopticTrackingMetrics:
    """Accumulates frames; the definitions are in docs/metrics.md.

    Args:
        labels: classes and which of them are things.
        variant: "step", or "nuscenes": void and crowd pixels deleted before PQ's segments are
            formed, no forgiven false positives, PQ averaged over all classes with absent ones as 0.
        void_pred_as_class: SQ counts predicted void as one more class, of IoU 0, where ground truth
            is not void.
    """

    def __init__(
        self,
        labels: ClassSet,
        variant: Literal["step", "nuscenes"] = "step",
        void_pred_as_class: bool = True,
    ) -> None:
        self.labels = labels
        self.variant = variant
        self.void_pred_as_class = void_pred_as_class
        self.sequences: dict[str, SequenceSums] = {}

    def update(self, sequence: str, gt: Frame, pred: Frame) -> None:
        """Add the next frame of a sequence.

        Args:
            sequence: its name; ids are scoped to it.
            gt: semantic (H,W) uint8, 255 void, and instance (H,W) int32 in 0..65535.
            pred: the same.

        Raises:
            ValueError: the sizes differ, an id is outside 0..65535, or a class is unknown; nothing
                is added then.
        """
        if len({a.shape for a in (*gt, *pred)}) != 1:
            raise ValueError(
                f"ground truth {gt[0].shape} and prediction {pred[0].shape} differ in size"
            )
        self.add(sequence, joint_histogram(pack(*gt), pack(*pred), self.labels.things))

    def add(self, sequence: str, histogram: JointHistogram) -> None:
        """Add the next frame of a sequence, given by its joint histogram.

        Raises:
            ValueError: a class is none of the labels, nor background (254) or void (255).
        """
        known = len(self.labels.classes)
        for side, classes in (
            ("ground truth", histogram.gt_class),
            ("prediction", histogram.pred_class),
        ):
            unknown = classes[(classes >= known) & (classes < BACKGROUND)]
            if unknown.size:
                raise ValueError(
                    f"{side} has class {unknown[0]}, {self.labels.name} knows 0..{known - 1} and"
                    f" {VOID}"
                )
        sums = self.sequences.setdefault(sequence, SequenceSums())
        sums.add(histogram, frozenset(self.labels.things), self.variant == "nuscenes")

    def merge(self, other: PanopticTrackingMetrics) -> None:
        """Add what `other` has seen; its frames of a shared sequence come after these."""
        for name, sums in other.sequences.items():
            self.sequences.setdefault(name, SequenceSums()).merge(sums)

    def compute(self) -> Results:
        """All results so far."""
        parts = list(self.sequences.values())
        options = (self.labels, self.variant, self.void_pred_as_class)
        return Results(
            compute_scores(parts, *options),
            {name: compute_scores([part], *options) for name, part in self.sequences.items()},
            compute_classes(parts, self.labels),
        )
