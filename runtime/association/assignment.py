"""Assigns rows to columns one to one, and reports the best alternative of each pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Match:
    """One accepted pair.

    Attributes:
        row: index of the track.
        column: index of the detection.
        score: of the pair.
        runner_up: the best score either of the two had elsewhere; -inf where there was none.
    """

    row: int
    column: int
    score: float
    runner_up: float


def assign(
    scores: NDArray[np.float64], allowed: NDArray[np.bool_], threshold: float
) -> list[Match]:
    """Select the pairs whose scores exceed `threshold` by the most in total.

    No selected pair is below the threshold.

    Args:
        scores: (n,m).
        allowed: (n,m), e.g. the classes agree.
        threshold: lowest score of a pair.

    Returns:
        Matches in the order of rows.
    """
    usable = allowed & (scores >= threshold)
    if not usable.any():
        return []
    from scipy.optimize import linear_sum_assignment

    # Pairs that may not be cost nothing and gain nothing, so that they never displace a real one.
    gain = np.where(usable, scores - threshold + 1e-9, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    real = usable[rows, columns]
    rows = rows[real]
    columns = columns[real]
    rivals = _runners_up(np.where(allowed, scores, -np.inf), rows, columns)
    return [
        Match(*pair)
        for pair in zip(
            rows.tolist(),
            columns.tolist(),
            scores[rows, columns].tolist(),
            rivals.tolist(),
            strict=True,
        )
    ]


def _runners_up(
    scores: NDArray[np.float64], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the best other score in the row or the column of each pair.

    It is -inf if there is none.
    """
    others = np.concatenate(
        (scores[rows], scores[:, columns].T), 1
    )  # a row per pair: its row, then its column
    pair = np.arange(len(rows))
    others[pair, columns] = others[pair, scores.shape[1] + rows] = -np.inf
    best: NDArray[np.float64] = others.max(1)
    return best
