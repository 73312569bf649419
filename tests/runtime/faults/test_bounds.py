"""Objects, tracks and ids without end are bounded."""

import pytest

from mapt.runtime import (
    PanopticTracker,
    Status,
    StepError,
)
from tests.runtime.faults.playing import PERIOD, Make, ids


def test_five_hundred_objects_are_bounded_and_the_lowest_scores_go(
    crowd: Make, picture: Make
) -> None:
    backend = crowd(500)
    everyone = PanopticTracker(backend).step(picture(0, 256, 512), 0)
    assert (
        len(everyone.tracks) == 500 and everyone.overflow == 1
    )  # every slot is filled: there may be more
    tracker = PanopticTracker(backend, max_objects=20)
    for number in range(3):
        frame = tracker.step(picture(number, 256, 512), number * PERIOD)
        assert ids(frame) == list(range(1, 21)) and frame.overflow == 481
        assert (
            min(t.score for t in frame.tracks) == pytest.approx(0.9 - 19e-4)
            and "saturated" in frame.alarms
        )
    assert tracker.health().status is Status.DEGRADED


def test_lost_tracks_are_bounded_too(crowd: Make, picture: Make) -> None:
    """Every frame shows 20 others, none is seen again, all within max_lost."""
    tracker = PanopticTracker(crowd(20, strangers=True), "motion", max_objects=20)
    for number in range(12):
        frame = tracker.step(picture(number, 256, 512), number * 1_000_000)
        assert len(frame.tracks) == min(20 * (number + 1), 80) and ids(frame) == list(
            range(20 * number + 1, 20 * number + 21)
        )
    gone = [d for d in frame.decisions if d.stage == "overflow"]
    assert [d.track for d in gone] == list(range(141, 161))  # those lost for longest
    assert "churn" in frame.alarms


def test_nothing_for_a_thousand_frames(scene: Make, actor: Make, picture: Make) -> None:
    tracker = PanopticTracker(scene(actor(8, 8, hidden=tuple(range(1, 255)))))
    tracker.step(picture(0), 0)
    for number in range(1, 1001):
        frame = tracker.step(picture(1 + number % 2), number * PERIOD)
        assert not frame.instance.any() and len(frame.tracks) == (number <= 15)
    assert ids(tracker.step(picture(0), 1001 * PERIOD)) == [2]


def test_ids_that_run_out_are_an_error_not_a_second_life(
    scene: Make, actor: Make, picture: Make
) -> None:
    from dataclasses import replace

    tracker = PanopticTracker(scene(actor(8, 8)))
    tracker._state = replace(tracker._state, table=replace(tracker._state.table, next_id=2**31))
    with pytest.raises(StepError, match="ids are used up"):
        tracker.step(picture(0), 0)
