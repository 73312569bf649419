"""Degradation in the declared order, on a clock that only the network moves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import PanopticTracker, Status
from mapt.runtime.monitoring.deadline import Estimates
from mapt.runtime.monitoring.health import HealthRecord

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns
COST = {
    "backbone": 10.0,
    "semantic": 5.0,
    "instance": 5.0,
    "motion": 8.0,
    "appearance": 4.0,
}  # ms a call


class Slow:
    """A tracker of two actors in which only the network takes time.

    `cost` states how much.
    """

    def __init__(self, backend: Any, picture: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ns = 0
        self.cost = dict(COST)
        self.number = 0
        self.picture = picture
        monkeypatch.setattr(
            "mapt.runtime.perception.pipeline.time.perf_counter_ns", lambda: self.ns
        )
        backend.spoil = {name: lambda _, name=name: self.spend(name) for name in COST}
        self.backend = backend
        self.tracker = PanopticTracker(backend)
        self.tracker._record = HealthRecord(0.6, now=lambda: self.ns / 1e9)

    def spend(self, name: str) -> None:
        self.ns += round(self.cost[name] * 1e6)

    def step(self, deadline_ms: float | None) -> Any:
        frame = self.tracker.step(self.picture(self.number % 5), self.number * PERIOD, deadline_ms)
        self.number += 1
        return frame


@pytest.fixture
def slow(scene: Make, actor: Make, picture: Make, monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(
        scene(actor(0, 8, dx=2, look=0), actor(40, 8, dx=2, look=1, score=0.8)),
        picture,
        monkeypatch,
    )


@pytest.mark.parametrize(
    ("deadline", "degraded"),
    [
        (None, ()),
        (1000.0, ()),
        (35.1, ()),  # 20 are spent, 12 to come, of which a quarter is held in reserve
        (34.9, ("appearance",)),
        (30.1, ("appearance",)),
        (29.9, ("appearance", "motion")),
        (0.001, ("appearance", "motion")),
    ],
)
def test_appearance_goes_first_then_motion(
    slow: Slow, deadline: float | None, degraded: tuple[str, ...]
) -> None:
    assert slow.step(None).degraded == ()
    slow.backend.calls.clear()
    frame = slow.step(deadline)
    assert frame.degraded == degraded
    assert {"motion", "appearance"} - set(slow.backend.calls) == set(degraded)
    assert [t.id for t in frame.tracks] == [1, 2]  # by propagated masks, or by where they were


def test_a_degraded_frame_is_labelled_in_the_health(slow: Slow) -> None:
    slow.step(None)
    assert slow.tracker.health().status is Status.OK
    slow.step(30.1)
    health = slow.tracker.health()
    assert (health.status, health.degraded) == (
        Status.DEGRADED,
        ("appearance",),
    ) and "appearance" in health.reason
    slow.step(5)  # 20 are spent before anything could be left out
    assert (
        slow.tracker.health().status is Status.LATE and "20 ms of 5" in slow.tracker.health().reason
    )
    slow.step(None)
    assert slow.tracker.health().status is Status.OK


def test_the_first_frame_knows_no_costs_and_runs_in_full_while_there_is_time(slow: Slow) -> None:
    assert slow.step(20.001).degraded == ()


def test_what_was_left_out_is_tried_again(slow: Slow) -> None:
    """One slow frame must not end the use of a head for ever."""
    slow.cost["appearance"] = 400
    slow.step(None)
    slow.cost["appearance"] = 4
    degraded = [slow.step(40).degraded for _ in range(30)]
    assert degraded[0] == ("appearance",) and degraded[-1] == ()


def test_a_head_that_became_slow_is_left_out(slow: Slow) -> None:
    for _ in range(5):
        assert slow.step(40).degraded == ()
    slow.cost["appearance"] = 40
    assert any(slow.step(40).degraded == ("appearance",) for _ in range(3))


def test_one_outlier_raises_an_estimate_by_half_at_most() -> None:
    estimates = Estimates()
    estimates.learn("motion", 10)
    estimates.learn("motion", 10_000)
    assert estimates.ms["motion"] == pytest.approx(15)


def test_costs_are_known_again_at_the_first_frame_after_an_overload(slow: Slow) -> None:
    """While nothing fits, estimates fall; the first measurement counts alone."""
    slow.step(None)
    slow.cost["backbone"] = 100
    for _ in range(1000):
        assert slow.step(40).degraded == ("appearance", "motion")
    slow.cost["backbone"] = 10
    degraded = [slow.step(30.5).degraded for _ in range(4)]
    assert degraded[0] == () and degraded[1] == ("appearance",)


def test_more_rows_are_more_calls() -> None:
    estimates = Estimates()
    estimates.ms = {"motion": 8.0, "appearance": 4.0, "rest": 1.0}
    assert estimates.left_out({"motion": 1, "appearance": 1}, 16.3) == ()
    assert estimates.left_out({"motion": 2, "appearance": 1}, 22) == ("appearance",)
    assert estimates.left_out({"motion": 3, "appearance": 1}, 22) == ("appearance", "motion")
    assert estimates.left_out({"motion": 3, "appearance": 0}, 22) == ("motion",)
    assert estimates.left_out({"motion": 0, "appearance": 0}, -5) == ()


def test_looks_survive_frames_without_appearance(scene: Make, actor: Make, picture: Make) -> None:
    """An embedding that was learned is kept while the appearance head is left out.

    A track whose embedding is unknown gets none.
    """
    car = actor(0, 8, look=0, hidden=(3,))
    late = actor(60, 8, look=0, hidden=(0,), score=0.8)
    tracker = PanopticTracker(scene(car, late))
    tracker.step(picture(0), 0)
    before = tracker._state.table.tracks[0].embedding.copy()
    for number in (1, 2):
        frame = tracker.step(picture(number), number * PERIOD, 1e-6)
        assert frame.degraded == ("appearance", "motion") and [t.id for t in frame.tracks] == [1, 2]
        kept = tracker._state.table.tracks
        assert np.array_equal(kept[0].embedding, before) and not kept[1].embedding.any()
    frame = tracker.step(
        picture(3), 3 * PERIOD
    )  # in full again: track 2 goes on by its mask and gets its look
    assert [(t.id, t.lost) for t in frame.tracks] == [(2, 0), (1, 1)]
    assert np.linalg.norm(tracker._state.table.tracks[1].embedding) == pytest.approx(1)


@pytest.mark.parametrize("deadline", [0, -1.0, float("nan"), float("inf"), "soon", [3]])
def test_a_deadline_that_is_none_is_refused(
    scene: Make, actor: Make, picture: Make, deadline: Any
) -> None:
    backend = scene(actor(0, 8))
    tracker = PanopticTracker(backend)
    before = tracker.save_state()
    with pytest.raises(InputError, match=r"deadline_ms is .*; give milliseconds above 0, or None"):
        tracker.step(picture(0), 0, deadline)
    assert tracker.save_state() == before and backend.calls == []
