"""The same weights with the association switched: IoU, motion only, appearance only, both."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from mapt.metrics import Scores
from mapt.runtime.backend import Backend
from mapt.runtime.tracks import Association
from mapt.training.evaluate import evaluate

NAMES: dict[Association, str] = {
    "iou": "IoU matching", "appearance": "MAPT appearance", "motion": "MAPT motion", "full": "MAPT",
}  # fmt: skip


def run_ablation(
    backend: Backend, roots: dict[int, Path], split: str, fps: float, done: Callable[[], None] | None = None
) -> dict[str, list[Scores]]:
    """Scores of every association on every seed's sequences, in the order of seeds."""
    out: dict[str, list[Scores]] = {}
    for association in get_args(Association):
        for root in roots.values():
            results = evaluate(backend, root, split, fps=fps, association=association)
            out.setdefault(association, []).append(results.dataset)
            if done:
                done()
    return out


def mean_and_spread(values: list[float | None]) -> tuple[float, float]:
    """Mean and standard deviation; undefined values count as 0."""
    numbers = [v or 0.0 for v in values]
    return statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else 0.0
