"""One-to-one assignment that says why: pure functions over score matrices."""

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


def assign(scores: NDArray[np.float64], allowed: NDArray[np.bool_], threshold: float) -> list[Match]:
    """The pairs that exceed `threshold` by the most in total, none below it.

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
    return [
        Match(int(r), int(c), float(scores[r, c]), _runner_up(scores, allowed, int(r), int(c)))
        for r, c in zip(rows, columns, strict=True)
        if usable[r, c]
    ]


def _runner_up(scores: NDArray[np.float64], allowed: NDArray[np.bool_], row: int, column: int) -> float:
    others = np.where(allowed, scores, -np.inf)
    in_row, in_column = np.delete(others[row], column), np.delete(others[:, column], row)
    return float(max(in_row.max(initial=-np.inf), in_column.max(initial=-np.inf)))
