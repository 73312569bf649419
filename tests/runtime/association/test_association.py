"""Scores against plain loops, assignment against every permutation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mapt.runtime.association.affinity import TAIL, cosine, soft_iou
from mapt.runtime.association.assignment import Match, assign

Scores = NDArray[np.float64]
Allowed = NDArray[np.bool_]


def slow_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    low = sum(min(float(p), float(q)) for p, q in zip(a.flat, b.flat, strict=True))
    high = sum(max(float(p), float(q)) for p, q in zip(a.flat, b.flat, strict=True))
    return low / high if high else 0.0


def best_total(scores: Scores, allowed: Allowed, threshold: float) -> float:
    """The highest total of what pairs have above the threshold, over all one-to-one assignments."""
    side = max(scores.shape)
    gain = np.zeros((side, side))
    gain[: scores.shape[0], : scores.shape[1]] = np.where(
        allowed & (scores >= threshold), scores - threshold, 0
    )
    return max(
        float(gain[np.arange(side), list(p)].sum()) for p in itertools.permutations(range(side))
    )


def random_masks(
    rng: np.random.Generator, count: int, height: int, width: int
) -> NDArray[np.float32]:
    """Soft rectangles on nothing; some are empty."""
    out = np.zeros((count, height, width), np.float32)
    for mask in out:
        y = rng.integers(0, height)
        x = rng.integers(0, width)
        part = mask[y : y + rng.integers(0, height), x : x + rng.integers(0, width)]
        part[:] = rng.random(part.shape)
    return out


def pairs(matches: list[Match]) -> list[tuple[int, int]]:
    return [(match.row, match.column) for match in matches]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(0, 4), m=st.integers(0, 4), height=st.integers(1, 7)
)
def test_soft_iou_equals_the_loop(seed: int, n: int, m: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    masks = random_masks(rng, n, height, 9)
    others = random_masks(rng, m, height, 9)
    masks[masks <= TAIL] = 0
    others[others <= TAIL] = 0
    got = soft_iou(masks, others)
    assert got.shape == (n, m)
    for i, j in itertools.product(range(n), range(m)):
        assert got[i, j] == pytest.approx(slow_iou(masks[i], others[j]), abs=1e-6)


def test_soft_iou_of_a_mask_with_itself_and_with_nothing() -> None:
    masks = np.zeros((3, 5, 7), np.float32)
    masks[0, 1:3, 2:6] = 0.3
    masks[1, 4:, 6:] = 1.0
    np.testing.assert_allclose(soft_iou(masks, masks), np.diag([1.0, 1.0, 0.0]))


def test_cosine_equals_the_loop() -> None:
    rng = np.random.default_rng(0)
    rows, columns = (
        v / np.linalg.norm(v, axis=1, keepdims=True)
        for v in (rng.normal(size=(k, 8)) for k in (3, 5))
    )
    got = cosine(rows.astype(np.float32), columns.astype(np.float32))
    for i, j in itertools.product(range(3), range(5)):
        dot = sum(float(a) * float(b) for a, b in zip(rows[i], columns[j], strict=True))
        length = math.dist(rows[i], [0] * 8) * math.dist(columns[j], [0] * 8)
        assert got[i, j] == pytest.approx(dot / length, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(0, 5),
    m=st.integers(0, 5),
    threshold=st.sampled_from([-0.5, 0.0, 0.3]),
)
def test_assignment_is_the_best_of_all_permutations(
    seed: int, n: int, m: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, (n, m))
    labels = rng.integers(0, 2, n)
    others = rng.integers(0, 2, m)
    allowed = labels[:, None] == others[None]
    matches = assign(scores, allowed, threshold)
    assert all(allowed[p] and scores[p] >= threshold for p in pairs(matches))
    assert (
        len({match.row for match in matches})
        == len({match.column for match in matches})
        == len(matches)
    )
    total = sum(match.score - threshold for match in matches)
    assert total == pytest.approx(
        best_total(scores, allowed, threshold) if n and m else 0, abs=1e-7
    )
    assert [match.row for match in matches] == sorted(match.row for match in matches)


def test_the_best_pair_is_given_up_for_a_better_whole() -> None:
    scores = np.array([[0.9, 0.8], [0.8, 0.1]])
    everything = np.ones((2, 2), np.bool_)
    assert pairs(assign(scores, everything, 0.3)) == [(0, 1), (1, 0)]


def test_the_threshold_is_inclusive() -> None:
    scores = np.array([[0.6]])
    allowed = np.ones((1, 1), np.bool_)
    assert pairs(assign(scores, allowed, 0.6)) == [(0, 0)]
    assert assign(scores, allowed, np.nextafter(0.6, 1)) == []


def test_forbidden_pairs_are_neither_taken_nor_in_the_way() -> None:
    scores = np.array([[1.0, 0.4], [0.2, 1.0]])
    allowed = np.array([[False, True], [True, False]])
    assert pairs(assign(scores, allowed, 0.3)) == [(0, 1)]
    assert assign(scores, np.zeros((2, 2), np.bool_), 0.0) == []


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_ties_are_broken_alike_every_time(shape: tuple[int, int]) -> None:
    scores = np.full(shape, 0.5)
    allowed = np.ones(shape, np.bool_)
    first = assign(scores, allowed, 0.3)
    assert len(first) == min(shape)
    assert all(assign(scores.copy(order="F"), allowed.copy(), 0.3) == first for _ in range(5))


def test_the_runner_up_is_the_best_allowed_rival_of_either_side() -> None:
    scores = np.array([[0.9, 0.2, 0.99], [0.7, 0.8, 0.0]])
    allowed = np.array([[True, True, False], [True, True, True]])
    assert [match.runner_up for match in assign(scores, allowed, 0.3)] == [0.7, 0.7]
    assert assign(np.array([[0.5]]), np.array([[True]]), 0.3)[0].runner_up == -np.inf
