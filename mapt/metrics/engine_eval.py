"""Evaluates on an engine: a sequence is a task, and the sums of all are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mapt.engines.engine import TaskEngine
from mapt.metrics.evaluate import Evaluation, Variant, evaluate_pairs
from mapt.metrics.folders import pair_frames


@dataclass(frozen=True)
class EvalJob:
    """What is compared.

    Attributes:
        gt: ground truth; see `mapt.metrics.folders.pair_frames`.
        pred: predictions.
        dataset: name.
        variant: see `PanopticTrackingMetrics`.
        labelled_only: leave predictions of frames without ground truth out.
    """

    gt: Path
    pred: Path
    dataset: str
    variant: Variant = "step"
    labelled_only: bool = False

    def evaluate(self, sequence: str) -> Evaluation:
        """Count one sequence.

        Raises:
            InputError: a frame cannot be read or does not fit.
        """
        pairs = pair_frames(self.gt, self.pred, self.dataset, [sequence], self.labelled_only)
        return evaluate_pairs(pairs, self.dataset, self.variant)


def _evaluate(job: EvalJob) -> Callable[[str], Evaluation]:
    return job.evaluate


def evaluate_on_engine(
    engine: TaskEngine,
    job: EvalJob,
    sequences: Sequence[str],
    on_progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Count every sequence, and merge the sums in the sequences' order.

    Args:
        engine: does the work; its workers have to see the folders.
        job: what is compared.
        sequences: their names, each once.
        on_progress: called after each.

    Returns:
        What `evaluate_pairs` gives for all of them, bit by bit.

    Raises:
        InputError: as `evaluate_pairs`; the first that comes ends the workers.
    """
    found = dict[str, Evaluation]()
    with closing(engine.run(partial(_evaluate, job), sequences)) as outcomes:
        for outcome in outcomes:
            if outcome.failure is not None:
                raise outcome.failure.error
            if outcome.result is not None:
                found[outcome.task] = outcome.result
            on_progress()
    merged = Evaluation.empty(job.dataset, job.variant)
    for name in sequences:
        merged.merge(found[name])
    return merged
