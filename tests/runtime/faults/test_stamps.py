"""Stamps that cannot be are refused, and the tracker is as before."""

from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import (
    PanopticTracker,
    StampError,
    Status,
)
from tests.runtime.faults.playing import HOUR, PERIOD, Make, Playing, ids


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (PERIOD, "is not after"),  # repeated
        (PERIOD - 1, "is not after"),  # older
        (0, "is not after"),
        (-1, "is no time"),
        (2**63, "is no time"),
        (10**400, "is no time"),
        (2.0 * PERIOD, "is no time"),
        (float("nan"), "is no time"),
        (True, "is no time"),
        (None, "is no time"),
        ("3", "is no time"),
        (PERIOD + HOUR + 1, "1.0 hours ahead"),
        (2**62, "hours ahead"),
    ],
)
def test_a_stamp_that_cannot_be_is_refused(playing: Playing, stamp: Any, words: str) -> None:
    calls = len(playing.backend.calls)
    with pytest.raises(StampError, match=words) as error:
        playing.tracker.step(playing.picture(5), stamp)
    assert (
        "\n" not in str(error.value)
        and len(str(error.value)) < 200
        and isinstance(error.value, InputError)
    )
    assert len(playing.backend.calls) == calls
    assert (
        playing.tracker.health().status is Status.NO_INPUT and playing.tracker.health().refused == 1
    )
    playing.goes_on()


def test_an_hour_is_no_jump_and_any_integer_is_a_stamp(playing: Playing) -> None:
    stamp = np.int64(PERIOD + HOUR)
    frame = playing.tracker.step(playing.picture(2), stamp)  # type: ignore[arg-type]
    assert type(frame.stamp_ns) is int and ids(frame) == [4, 5, 6]


def test_dropped_repeated_and_reordered_frames(playing: Playing) -> None:
    """Of frames 2 3 3 2 5 4 those that rise are labelled, with the ids of an undisturbed run."""
    order = [2, 3, 3, 2, 5, 4]
    refused = 0
    for number in order:
        try:
            frame = playing.tracker.step(playing.picture(number), number * PERIOD)
        except StampError:
            refused += 1
        else:
            assert ids(frame) == [1, 2, 3] and {d.stage for d in frame.decisions} == {"propagation"}
    assert refused == 3


def test_a_clock_that_was_set_needs_a_reset(playing: Playing) -> None:
    for stamp in (PERIOD + 50 * HOUR, PERIOD + 50 * HOUR + 1):
        with pytest.raises(StampError, match=r"call reset\(\)"):
            playing.tracker.step(playing.picture(2), stamp)
    playing.tracker.reset()
    assert ids(playing.tracker.step(playing.picture(2), 50 * HOUR)) == [4, 5, 6]


def test_time_goes_on_while_the_camera_is_covered(scene: Make, actor: Make, picture: Make) -> None:
    """Time goes on while the camera is covered.

    An hour of blind frames must not make the first good one absurd. No stamp is accepted twice.
    """
    tracker = PanopticTracker(scene(actor(0, 8)))
    dark = np.zeros_like(picture(0))
    minute = 60 * 10**9
    first = tracker.step(picture(0), 0)
    for number in range(1, 90):
        assert tracker.step(dark, number * minute).alarms == ("blind",)
    with pytest.raises(StampError, match="is not after"):
        tracker.step(picture(1), 89 * minute)
    last = tracker.step(picture(1), 90 * minute)
    assert (
        first.tracks and last.tracks and last.tracks[0].id > first.tracks[0].id
    )  # lost for longer than max_lost
    tracker.reset()
    tracker.step(picture(2), 0)
