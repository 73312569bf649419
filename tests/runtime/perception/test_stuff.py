"""Stuff of a few pixels goes to the next best class, and nothing else changes."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mapt.runtime.perception.stuff import absorb_small_stuff

ROAD = 0
SKY = 1
POLE = 2


def fetched(logits: np.ndarray) -> Callable[..., np.ndarray]:
    """Gives planes and rows, as they were asked for."""
    return lambda planes, rows: logits[np.ix_(planes, rows)]


def scene(height: int = 16, width: int = 32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw sky over road, with a pole of one cell (4x4 pixels).

    The second choice of its pixels is sky in the upper half and road below.
    """
    logits = np.zeros((3, height // 4, width // 4), np.float32)
    logits[SKY, : height // 8] = 2
    logits[ROAD, height // 8 :] = 2
    logits[POLE, 1, 3] = 3
    labels = logits.argmax(0).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    return labels, np.zeros(labels.shape, np.int32), logits


def test_few_pixels_take_their_second_choice() -> None:
    labels, index, logits = scene()
    before = labels.copy()
    out = absorb_small_stuff(labels, index, fetched(logits), 17, labels.shape)
    assert (out[4:8, 12:16] == SKY).all() and not (out == POLE).any()
    np.testing.assert_array_equal(labels, before)
    changed = labels == POLE
    np.testing.assert_array_equal(out[~changed], labels[~changed])


def test_enough_pixels_stay() -> None:
    labels, index, logits = scene()
    assert absorb_small_stuff(labels, index, fetched(logits), 16, labels.shape) is labels
    assert absorb_small_stuff(labels, index, fetched(logits), 0, labels.shape) is labels


def test_what_instances_cover_and_what_is_padding_does_not_count() -> None:
    labels, index, logits = scene()
    index[4:8, 12:14] = 1  # half of the pole
    out = absorb_small_stuff(labels, index, fetched(logits), 9, labels.shape)
    assert (out[4:8, 14:16] == SKY).all() and (out[4:8, 12:14] == POLE).all()
    assert absorb_small_stuff(labels, index, fetched(logits), 8, labels.shape) is labels
    labels, index, logits = scene()
    assert not (
        absorb_small_stuff(labels, index, fetched(logits), 16, (16, 14))[:, :14] == POLE
    ).any()


def test_a_frame_of_crumbs_keeps_them() -> None:
    labels, index, logits = scene()
    assert absorb_small_stuff(labels, index, fetched(logits), 10_000, labels.shape) is labels


def test_logits_are_fetched_only_where_they_are_needed() -> None:
    labels, index, logits = scene()
    asked = []

    def fetch(planes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        asked.append((planes.tolist(), rows.tolist()))
        return np.asarray(logits[np.ix_(planes, rows)])

    for least in (16, 0, 10_000):
        absorb_small_stuff(labels, index, fetch, least, labels.shape)
    assert not asked
    absorb_small_stuff(labels, index, fetch, 17, labels.shape)
    assert asked == [([ROAD, SKY], [1])]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1 << 16), st.integers(1, 80))
def test_every_class_that_is_left_is_large(seed: int, least: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(5, 3, 4)).astype(np.float32)
    labels = logits.argmax(0).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    index = (rng.random(labels.shape) < 0.2).astype(np.int32)
    out = absorb_small_stuff(labels, index, fetched(logits), least, labels.shape)
    areas, before = (np.bincount(x[index == 0], minlength=5) for x in (out, labels))
    if (before >= least).any():
        assert not ((areas > 0) & (areas < least)).any()
    assert (areas >= before)[before >= least].all()
