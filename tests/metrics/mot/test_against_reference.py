"""HOTA, IDF1 and CLEAR MOT equal the slow reference on random sequences, whole or merged."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mapt.labels.class_sets import KITTI_STEP
from mapt.metrics.mot import MotMetrics, MotScores
from tests.metrics.drawing import Frame, Sequence, count
from tests.metrics.mot import reference

CAR = 13
WIDTH = 60
seeds = st.integers(0, 2**32 - 1)


def blocks(rng: np.random.Generator, centres: dict[int, float], noise: float) -> Frame:
    """A row in which objects are intervals around their centres; some are missing."""
    semantic = np.zeros((1, WIDTH), np.uint8)
    instance = np.zeros((1, WIDTH), np.int32)
    for identity, centre in centres.items():
        if rng.random() < 0.15:
            continue
        start = round(centre + noise * rng.normal())
        stop = start + int(rng.integers(7, 16))
        cells = slice(max(0, start), max(0, stop))
        semantic[0, cells] = CAR
        instance[0, cells] = identity
    return semantic, instance


def random_tracks(seed: int) -> Sequence:
    """Three objects that move, and three predictions that follow one of them each."""
    rng = np.random.default_rng(seed)
    centres = {i + 1: float(c) for i, c in enumerate(rng.integers(0, 50, 3))}
    follows = {i + 300: int(rng.integers(1, 4)) for i in range(3)}
    out = []
    for _ in range(int(rng.integers(1, 7))):
        centres = {i: c + rng.normal() for i, c in centres.items()}
        if rng.random() < 0.3:
            follows[int(rng.choice(list(follows)))] = int(rng.integers(1, 4))
        gt = blocks(rng, centres, 0)
        if rng.random() < 0.3:
            gt[0][0, 40:] = 255
            gt[1][0, 40:] = 0
        pred = blocks(rng, {p: centres[g] for p, g in follows.items()}, 2)
        out.append((gt, pred))
    return out


def plain(frames: Sequence) -> list[tuple[reference.Masks, reference.Masks]]:
    def masks(side: Frame) -> reference.Masks:
        return {
            int(i): frozenset(np.flatnonzero(side[1].ravel() == i).tolist())
            for i in np.unique(side[1])
            if i
        }

    return [
        reference.without_ignored(
            (masks(gt), masks(pred), frozenset(np.flatnonzero(gt[0].ravel() == 255).tolist()))
        )
        for gt, pred in frames
    ]


def measure(parts: list[Sequence]) -> MotScores:
    whole = MotMetrics(KITTI_STEP)
    for frames in parts:
        part = MotMetrics(KITTI_STEP)
        for gt, pred in frames:
            part.add("one", count(gt, pred))
        whole.merge(part)
    return whole.compute().dataset


@settings(max_examples=150, deadline=None)
@given(seed=seeds, cut=st.integers(0, 6))
def test_random_sequences_equal_the_reference(seed: int, cut: int) -> None:
    sequence = random_tracks(seed)
    found = measure([sequence[:cut], sequence[cut:]])
    frames = plain(sequence)
    right, objects, predictions = reference.identity(frames)
    assume(objects and predictions)
    assert (found.IDF1, found.IDP, found.IDR) == pytest.approx(
        (2 * right / (objects + predictions), right / predictions, right / objects), abs=1e-12
    )
    try:
        expected = reference.hota(frames) | reference.clear(frames)
    except reference.Tie:
        assume(False)
    values = asdict(found)
    for name, value in expected.items():
        if values[name] is not None:
            assert values[name] == pytest.approx(value, abs=1e-12), name


def test_random_sequences_reach_every_rule() -> None:
    """The comparison means something: all kinds of outcomes occur in a few dozen seeds."""
    results = [measure([random_tracks(seed)]) for seed in range(60)]
    assert sum(0 < (r.HOTA or 0) < 1 for r in results) > 30
    assert sum(0 < (r.IDF1 or 0) < 1 for r in results) > 30
    for name in ("IDSW", "FP", "FN", "Frag"):
        assert sum(asdict(r)[name] > 0 for r in results) > 10, name
