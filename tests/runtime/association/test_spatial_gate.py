"""How far stage 2 looks: by distance and by size."""

import numpy as np
import pytest

from mapt.contract import Thresholds
from mapt.runtime.association.spatial_gate import reach_used


def box(x: float, y: float, width: float, height: float) -> list[float]:
    """A box xyxy around a centre."""
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def used(before: list[float], now: list[float], **limits: float) -> float:
    """The share for one pair."""
    boxes = [np.array([b], np.float32) for b in (before, now)]
    thresholds = Thresholds(**limits)  # type: ignore[arg-type]
    return float(reach_used(boxes[0], boxes[1], thresholds)[0, 0])


def test_distance_counts_in_sizes_and_in_every_direction() -> None:
    start = box(100, 50, 20, 20)
    for x, y in ((110, 50), (90, 50), (100, 60), (106, 58)):
        assert used(start, box(x, y, 20, 20), reach=0.5, resize=9) == pytest.approx(1.0)
    assert used(start, box(125, 50, 20, 20), reach=0.5, resize=9) == pytest.approx(2.5)
    # Five times as large: what counts is what the picture of the object shows.
    assert used(
        box(500, 250, 100, 100), box(550, 250, 100, 100), reach=0.5, resize=9
    ) == pytest.approx(1.0)


def test_the_size_is_the_mean_of_both_boxes_whichever_comes_first() -> None:
    small = box(0, 0, 10, 10)
    large = box(30, 0, 40, 40)
    assert (
        used(small, large, reach=1, resize=9)
        == used(large, small, reach=1, resize=9)
        == pytest.approx(1.5)
    )
    assert used(box(0, 0, 5, 80), box(20, 0, 20, 20), reach=1, resize=9) == pytest.approx(
        1.0
    )  # the root of an area


def test_a_wheel_does_not_become_a_truck() -> None:
    wheel = box(100, 50, 10, 10)
    truck = box(100, 50, 60, 15)
    assert (
        used(wheel, truck, reach=9, resize=3)
        == used(truck, wheel, reach=9, resize=3)
        == pytest.approx(1.0)
    )
    assert used(wheel, truck, reach=9, resize=2) == pytest.approx(1.5)


def test_every_pair_has_its_own_share() -> None:
    tracks = np.array([box(0, 0, 10, 10), box(100, 0, 10, 10)], np.float32)
    found = np.array([box(0, 0, 10, 10), box(100, 0, 10, 10), box(110, 0, 10, 10)], np.float32)
    shares = reach_used(tracks, found, Thresholds(reach=1.0, resize=10.0))
    np.testing.assert_allclose(shares, [[0.1, 10, 11], [10, 0.1, 1]])
    assert reach_used(tracks[:0], found, Thresholds()).shape == (0, 3)


def test_an_empty_box_counts_as_a_pixel() -> None:
    assert used([5, 5, 5, 5], box(5, 5, 3, 3), resize=3) == pytest.approx(1.0)
    assert used([9, 9, 2, 9], box(5, 5, 3, 3), resize=3) < 9
