"""HOTA, IDF1, CLEAR MOT and MOTS metrics of masks, from the joint histogram of every frame."""

from __future__ import annotations

from mapt.labels.class_sets import ClassSet
from mapt.metrics.histogram import JointHistogram
from mapt.metrics.mot.object_log import ObjectLog
from mapt.metrics.mot.objects import class_objects
from mapt.metrics.mot.scores import MotResults, MotScores, MotSums, mot_scores, mot_sums

__all__ = ["MotMetrics", "MotResults", "MotScores"]


class MotMetrics:
    """Accumulates frames; the definitions are in docs/metrics.md.

    HOTA decides a frame's matches from the whole sequence. So the ids and overlaps of every frame
    are kept, see `ObjectLog`.

    Args:
        labels: classes and which of them are things.
    """

    def __init__(self, labels: ClassSet) -> None:
        self.labels = labels
        self.sequences: dict[str, dict[int, ObjectLog]] = {}

    def add(self, sequence: str, histogram: JointHistogram) -> None:
        """Add the next frame of a sequence, given by its joint histogram."""
        for c, log in self._logs(sequence).items():
            log.append(class_objects(histogram, c))

    def merge(self, other: MotMetrics) -> None:
        """Add what `other` has seen; its frames of a shared sequence come after these."""
        for name, logs in other.sequences.items():
            for c, log in self._logs(name).items():
                log.extend(logs[c])

    def _logs(self, sequence: str) -> dict[int, ObjectLog]:
        return self.sequences.setdefault(sequence, {c: ObjectLog() for c in self.labels.things})

    def compute(self) -> MotResults:
        """All results so far; sequences and dataset pool the counts of their classes."""
        sums = {
            name: {c: mot_sums(list(log)) for c, log in logs.items() if log}
            for name, logs in self.sequences.items()
        }
        by_class: dict[int, list[MotSums]] = {c: [] for c in self.labels.things}
        for classes in sums.values():
            for c, part in classes.items():
                by_class[c].append(part)
        return MotResults(
            mot_scores([part for classes in sums.values() for part in classes.values()]),
            {name: mot_scores(list(classes.values())) for name, classes in sums.items()},
            {self.labels.classes[c]: mot_scores(parts) for c, parts in by_class.items() if parts},
        )
