"""Evaluates the averaged weights on a validation set during a run, and keeps the best."""

from __future__ import annotations

from pathlib import Path

from torch import distributed

from mapt.data.datasets.kitti_step import Sequence
from mapt.evaluation.evaluate import choose_sequences, track_sequences
from mapt.evaluation.torch_backend import TorchBackend
from mapt.metrics import PanopticTrackingMetrics
from mapt.metrics.distributed_eval import owners
from mapt.training.config import TrainConfig
from mapt.training.distributed import Rank, same_everywhere
from mapt.training.state import State

SHOWN = ("PAT", "PQ", "TQ", "STQ", "AQ", "SQ")


class Validation:
    """The configured validation set, whose sequences the processes divide among themselves.

    Args:
        config: the run's configuration.
        place: this process and its device.

    Raises:
        InputError: a folder, image or sequence is missing.
    """

    def __init__(self, config: TrainConfig, place: Rank) -> None:
        own = config.evaluation
        self.config = own
        self.place = place
        self.labels = config.model.class_set
        self.sequences = (
            choose_sequences(Path(own.root), own.split, own.sequences) if own.root else []
        )

    def due(self, iteration: int, last: int) -> bool:
        """Tell whether to evaluate after this many iterations."""
        return bool(self.sequences) and (iteration == last or iteration % self.config.every == 0)

    def run(self, state: State) -> dict[str, float | None]:
        """Return PAT, PQ, TQ, STQ, AQ and SQ of the averaged weights, in [0,1].

        They are the same on every process. A score that is undefined is None.
        """
        same_everywhere(state.averaged, self.place)
        metrics = track_sequences(
            TorchBackend(state.averaged), self._own(), self.config.fps, labels=self.labels
        )
        if self.place.world > 1:
            metrics = self._merged(metrics)
        scores = metrics.compute().dataset
        return {name: getattr(scores, name) for name in SHOWN}

    def _own(self) -> list[Sequence]:
        """Return this process's share of the sequences."""
        owner = owners({s.name: len(s.images) for s in self.sequences}, self.place.world)
        return [s for s in self.sequences if owner[s.name] == self.place.rank]

    def _merged(self, own: PanopticTrackingMetrics) -> PanopticTrackingMetrics:
        parts = [own] * self.place.world
        distributed.all_gather_object(parts, own)
        merged = PanopticTrackingMetrics(self.labels)
        for part in parts:
            merged.merge(part)
        # In the order of a single process, sums have the same last bit.
        merged.sequences = {s.name: merged.sequences[s.name] for s in self.sequences}
        return merged


def improves(state: State, scores: dict[str, float | None]) -> bool:
    """Tell whether these are the best scores so far, and remember them if they are.

    Scores are compared by PAT or, if no thing is labelled, by PQ.
    """
    score = scores["PAT"] if scores["PAT"] is not None else scores["PQ"]
    if score is None or (state.best is not None and score <= state.best):
        return False
    state.best = score
    return True
