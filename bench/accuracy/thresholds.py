"""Searches the thresholds of fusion and association that give a dataset the highest PAT.

The search belongs to one network and one dataset, and optimises one threshold after the other.

    python -m mapt.bench.accuracy.thresholds BUNDLE --data ROOT [--data ROOT ...] [--keys
    score,similarity] [--write WEIGHTS]

ROOT is a folder in KITTI-STEP's layout, split `val`; not the one that is reported later. `--write`
puts the result into the weights that the bundle came from; export them again afterwards.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mapt.bench.cli_errors import told_in_one_line
from mapt.contract import ModelInfo, Thresholds
from mapt.docstrings import text_of
from mapt.evaluation.evaluate import evaluate
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.bundle.manifest import read_bundle

GRID: dict[str, tuple[Any, ...]] = {
    "score": (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6),
    "semantic_limit": (0.5, 1.0, 2.0, 4.0, 1000.0),
    "birth": (0.0, 0.4, 0.5, 0.6, 0.7),
    "similarity": (0.8, 0.85, 0.9, 0.94, 0.97),
    "propagation_iou": (0.1, 0.2, 0.3, 0.4),
    "reach": (1.0, 1.25, 1.5, 2.0),
    "resize": (2.0, 2.5, 3.0),
    "foresight": (0.0, 0.3, 0.5),
    "stuff_area": (0, 32, 64, 128, 256),
    "min_area": (12, 20, 32, 48),
    "overlap": (0.1, 0.2, 0.3, 0.5),
}


@dataclass(frozen=True)
class ThresholdTrial:
    """The mean PAT over all data with some thresholds."""

    thresholds: Thresholds
    pat: float


def search(
    start: Thresholds, keys: Iterable[str], score: Callable[[Thresholds], float]
) -> Iterator[ThresholdTrial]:
    """Try every value of one key after the other, and yield every trial.

    The other keys keep the best values found so far. The last trial is the best one.

    Args:
        start: tried first; its values win ties.
        keys: of `GRID`, in the order of the search.
        score: the mean PAT with some thresholds.
    """
    best = ThresholdTrial(start, score(start))
    yield best
    for key in keys:
        here = best
        for value in GRID[key]:
            if value == getattr(here.thresholds, key):
                continue
            trial = ThresholdTrial(replace(here.thresholds, **{key: value}), 0.0)
            trial = replace(trial, pat=score(trial.thresholds))
            yield trial
            if trial.pat > best.pat:
                best = trial
    yield best


class Tuned:
    """A backend with other thresholds."""

    def __init__(self, backend: Backend, thresholds: Thresholds) -> None:
        self.name = backend.name
        self.run = backend.run
        self.providers = backend.providers
        self.info: ModelInfo = replace(backend.info, thresholds=thresholds)


def mean_pat(backend: Backend, thresholds: Thresholds, roots: list[Path], fps: float) -> float:
    """The mean over the folders; an undefined PAT counts as 0."""
    tuned = Tuned(backend, thresholds)
    return statistics.fmean(evaluate(tuned, root, fps=fps).dataset.PAT or 0.0 for root in roots)


@told_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.accuracy.thresholds",
        description=text_of(__name__).splitlines()[0],
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--trust", type=Path, help="public key that must have signed the bundle")
    parser.add_argument(
        "--data", type=Path, action="append", required=True, help="KITTI-STEP's layout, split val"
    )
    parser.add_argument(
        "--keys", default=",".join(GRID), help="thresholds by comma, in the order of the search"
    )
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path, help="weights that get the result")
    given = parser.parse_args(arguments)
    keys = given.keys.split(",")
    if unknown := [key for key in keys if key not in GRID]:
        parser.error(f"--keys {unknown[0]}: is not searched; choose of {', '.join(GRID)}")
    best = _show(
        OrtBackend(read_bundle(given.bundle, given.trust), given.threads),
        keys,
        given.data,
        given.fps,
    )
    if given.write:
        from mapt.model.weights import write_thresholds

        write_thresholds(given.write, best)


def _show(backend: Backend, keys: list[str], roots: list[Path], fps: float) -> Thresholds:
    """Print every trial and return the best thresholds."""
    start = best = backend.info.thresholds
    for trial in search(start, keys, lambda limits: mean_pat(backend, limits, roots, fps)):
        best = trial.thresholds
        changed = {
            key: getattr(best, key) for key in keys if getattr(best, key) != getattr(start, key)
        }
        print(f"PAT {trial.pat:.4f}  {changed or 'as they are'}", flush=True)
    return best


if __name__ == "__main__":
    main()
