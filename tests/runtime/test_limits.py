"""Every decision limit of the manifest does what it says, and no impossible one is taken."""

import struct
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.contract import RANGES, ModelInfo, Thresholds
from mapt.errors import InputError
from mapt.runtime import PanopticTracker, StampError
from mapt.runtime.persistence.packing import pack
from mapt.runtime.persistence.recording import VERSION, Replayer

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns


def test_every_limit_has_a_range_that_holds_its_default_and_is_kept() -> None:
    defaults = asdict(Thresholds())
    assert defaults.keys() == RANGES.keys()
    for name, (low, high) in RANGES.items():
        kind = type(defaults[name])
        for edge in (kind(low), kind(high)):
            assert getattr(Thresholds(**{name: edge}), name) == edge
        wrong: tuple[Any, ...] = (low - 1, high + 1, float("nan"), float("inf"), True, "1", None)
        for value in wrong:
            with pytest.raises(ValueError, match=f"the threshold {name} is "):
                Thresholds(**{name: value})


def test_the_largest_jump(scene: Make, actor: Make, picture: Make) -> None:
    tracker = PanopticTracker(scene(actor(0, 8), max_jump=0.25))
    tracker.step(picture(0), 0)
    with pytest.raises(StampError, match=r"more than 0\.25 s; if the clock was set"):
        tracker.step(picture(1), PERIOD * 5 // 2 + 1)
    tracker.step(picture(1), PERIOD * 5 // 2)


@pytest.mark.parametrize(("limit", "blind"), [(99, False), (100, True)])
def test_the_range_of_a_blind_image(
    scene: Make, actor: Make, picture: Make, limit: int, blind: bool
) -> None:
    tracker = PanopticTracker(
        scene(actor(0, 8), blind_range=limit)
    )  # the picture's greys are 0 and 100
    assert ("blind" in tracker.step(picture(0), 0).alarms) == blind


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [False, True, True, True]),
        ({"churn_objects": 81}, [False, False, True, True]),
        ({"churn_objects": 81, "churn_window": 1}, [False] * 4),
        ({"churn_share": 1.0}, [False] * 4),
    ],
)
def test_when_too_much_is_new(
    crowd: Make, picture: Make, limits: dict[str, Any], expected: list[bool]
) -> None:
    backend = crowd(80, strangers=True)
    backend.info = replace(backend.info, thresholds=replace(backend.info.thresholds, **limits))
    tracker = PanopticTracker(backend)
    assert ["churn" in tracker.step(picture(n), n * PERIOD).alarms for n in range(4)] == expected


def test_a_state_remembers_as_many_frames_as_the_window_has(
    scene: Make, actor: Make, picture: Make
) -> None:
    tracker = PanopticTracker(scene(actor(0, 8), churn_window=2))
    for number in range(5):
        tracker.step(picture(number), number * PERIOD)
    assert len(tracker._state.recent) == 2
    other = PanopticTracker(scene(actor(0, 8), churn_window=3))
    with pytest.raises(InputError, match="another network"):
        other.restore_state(tracker.save_state())


@pytest.mark.parametrize("limit", [1, 3])
def test_how_many_tracks_are_kept(crowd: Make, picture: Make, limit: int) -> None:
    backend = crowd(20, strangers=True)
    backend.info = replace(
        backend.info, thresholds=replace(backend.info.thresholds, tracks_per_object=limit)
    )
    tracker = PanopticTracker(backend)
    frames = [tracker.step(picture(number), number * PERIOD) for number in range(5)]
    assert max(len(frame.tracks) for frame in frames) == 20 * limit


def test_the_reserve_before_a_deadline(scene: Make, actor: Make) -> None:
    for reserve, left_out in ((1.0, ()), (2.0, ("appearance",))):
        estimates = PanopticTracker(scene(actor(0, 8), deadline_reserve=reserve))._maker.estimates
        estimates.ms = {"motion": 8.0, "appearance": 4.0}
        assert estimates.left_out({"motion": 1, "appearance": 1}, 16.0) == left_out


@pytest.mark.parametrize("change", [{"score": 2.0}, {"scroe": 0.5}, {"blind_range": "8"}])
def test_a_record_with_impossible_limits_is_refused(
    tmp_path: Path, info: ModelInfo, change: dict[str, Any]
) -> None:
    told = asdict(info)
    told["thresholds"] |= change
    blob = pack(
        "RECH", VERSION, {"info": told, "association": "full"}, {"none": np.zeros(0, np.float32)}
    )
    (tmp_path / "run").write_bytes(struct.pack("<Q", len(blob)) + blob)
    with pytest.raises(InputError, match="its header is malformed"):
        Replayer(tmp_path / "run")
