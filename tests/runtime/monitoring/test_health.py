"""The struct another thread reads."""

import copy
import dataclasses
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import Health, PanopticTracker, StampError, Status
from mapt.runtime.monitoring.health import HealthRecord, ReadOnly

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns


class Watched:
    """A tracker of one car on a clock that stands still unless told."""

    def __init__(self, backend: Any) -> None:
        self.seconds = 0.0
        self.backend = backend
        self.tracker = PanopticTracker(backend)
        self.tracker._record = HealthRecord(
            backend.info.thresholds.max_gap, now=lambda: self.seconds
        )


@pytest.fixture
def watched(scene: Make, actor: Make) -> Watched:
    return Watched(scene(actor(0, 8, dx=2), max_gap=0.6))


def test_before_the_first_frame(watched: Watched) -> None:
    health = watched.tracker.health()
    assert (health.status, health.reason, health.frames, health.stamp_ns) == (
        Status.NO_INPUT,
        "no frame yet",
        0,
        None,
    )
    assert health.age_ms == float("inf") and not health.timings_ms


def test_a_good_frame(watched: Watched, picture: Make) -> None:
    frame = watched.tracker.step(picture(0), 5)
    watched.seconds = 0.25
    health = watched.tracker.health()
    assert (health.status, health.reason, health.frames, health.stamp_ns) == (Status.OK, "", 1, 5)
    assert health.age_ms == 250 and health.busy_ms == 0
    assert dict(health.timings_ms) == frame.timings_ms and {
        "backbone",
        "association",
        "frame",
    } <= set(frame.timings_ms)


def test_nothing_of_it_can_be_changed(watched: Watched, picture: Make) -> None:
    frame = watched.tracker.step(picture(0), 0)
    health: Any = watched.tracker.health()
    with pytest.raises(dataclasses.FrozenInstanceError):
        health.status = Status.OK
    with pytest.raises(TypeError):
        health.timings_ms["frame"] = 0.0
    frame.timings_ms["frame"] = -1.0  # the caller's own
    assert watched.tracker.health().timings_ms["frame"] >= 0


def test_silence_is_no_input_and_remembers_why(watched: Watched, picture: Make) -> None:
    watched.tracker.step(picture(0), 0)
    watched.seconds = 0.6
    assert watched.tracker.health().status is Status.OK
    watched.seconds = 2.0
    assert (
        watched.tracker.health().status is Status.NO_INPUT
        and watched.tracker.health().reason == "no frame for 2.0 s"
    )
    watched.backend.raises = {"backbone": RuntimeError("gone")}
    with pytest.raises(RuntimeError):
        watched.tracker.step(picture(1), PERIOD)
    health = watched.tracker.health()  # it is tried, and it is not the camera
    assert (
        health.status is Status.FAULT
        and health.reason == "backbone: RuntimeError: gone; frame dropped"
    )
    watched.seconds = 4.0
    assert watched.tracker.health().status is Status.NO_INPUT
    assert (
        watched.tracker.health().reason
        == "no frame for 2.0 s; before that backbone: RuntimeError: gone; frame dropped"
    )


def test_a_fault_is_not_hidden_by_a_late_step(watched: Watched, picture: Make) -> None:
    found: list[Health] = []

    def hang(_: object) -> None:
        watched.seconds += 0.3
        found.append(watched.tracker.health())

    watched.backend.raises = {"backbone": RuntimeError("gone")}
    with pytest.raises(RuntimeError):
        watched.tracker.step(picture(0), 0)
    watched.backend.raises = {}
    watched.backend.spoil = {"instance": hang}
    watched.tracker.step(picture(0), 0, 200)
    assert (
        found[0].status is Status.FAULT
        and "gone" in found[0].reason
        and "300 ms of 200" in found[0].reason
    )


def test_it_can_be_published(watched: Watched, picture: Make) -> None:
    assert json.loads(json.dumps(watched.tracker.health().to_dict()))["age_ms"] is None
    watched.tracker.step(picture(0), 0)
    plain = json.loads(json.dumps(watched.tracker.health().to_dict()))
    assert plain["status"] == "OK" and plain["timings_ms"]["frame"] >= 0 and plain["age_ms"] == 0


def test_refused_and_failed_frames_are_counted_apart(watched: Watched, picture: Make) -> None:
    tracker = watched.tracker
    tracker.step(picture(0), 0)
    with pytest.raises(StampError):
        tracker.step(picture(1), 0)
    with pytest.raises(InputError):
        tracker.step(picture(1)[0], PERIOD)
    watched.backend.raises = {"motion": RuntimeError("x")}
    with pytest.raises(RuntimeError):
        tracker.step(picture(1), PERIOD)
    health = tracker.health()
    assert (health.frames, health.refused, health.failed, health.stamp_ns) == (1, 2, 1, 0)
    watched.backend.raises = {}
    tracker.step(picture(1), PERIOD)
    health = tracker.health()
    assert (health.status, health.frames, health.refused, health.failed) == (Status.OK, 2, 2, 1)


def test_a_step_that_hangs_is_seen_from_outside(watched: Watched, picture: Make) -> None:
    found: list[Health] = []

    def hang(_: object) -> None:
        watched.seconds += 0.3
        reader = threading.Thread(
            target=lambda: found.append(watched.tracker.health()), daemon=True
        )
        reader.start()
        reader.join()

    watched.tracker.step(picture(0), 0)
    watched.backend.spoil = {"instance": hang}
    watched.tracker.step(picture(1), PERIOD, 500)
    watched.tracker.step(picture(2), 2 * PERIOD, 200)
    assert [h.status for h in found] == [Status.OK, Status.LATE]
    assert [round(h.busy_ms) for h in found] == [300, 300] and "300 ms of 200" in found[1].reason
    assert watched.tracker.health().status is Status.LATE


def test_one_class_everywhere_is_suspicious(scene: Make, actor: Make, picture: Make) -> None:
    def flat(outputs: dict[str, np.ndarray]) -> None:
        outputs["labels"][:] = 1

    backend = scene()
    tracker = PanopticTracker(backend)
    assert tracker.step(picture(0), 0).alarms == ()
    backend.spoil = {"semantic": flat}
    assert tracker.step(picture(1), PERIOD).alarms == ("empty",)
    assert tracker.health().status is Status.DEGRADED and "empty" in tracker.health().reason


def test_churn_is_most_of_what_is_visible_being_new(crowd: Make, picture: Make) -> None:
    tracker = PanopticTracker(crowd(20, strangers=True), "motion")
    told = [tracker.step(picture(n), n * PERIOD).alarms for n in range(4)]
    assert [("churn" in alarms) for alarms in told] == [
        False,
        True,
        True,
        True,
    ]  # the first frame follows none
    steady = PanopticTracker(crowd(20), "motion")
    assert not any("churn" in steady.step(picture(n), n * PERIOD).alarms for n in range(4))


def test_health_can_be_copied_pickled_and_taken_apart_but_not_changed() -> None:
    health = Health(
        timings_ms=ReadOnly({"frame": 3.0}), providers=ReadOnly({"motion": "CPUExecutionProvider"})
    )
    for other in (
        pickle.loads(pickle.dumps(health)),
        copy.deepcopy(health),
        Health(**dataclasses.asdict(health)),
    ):
        assert other == health and json.dumps(other.to_dict()) == json.dumps(health.to_dict())
        timings: Any = other.timings_ms
        for change in ("update", "pop", "clear"):
            with pytest.raises(TypeError, match="health is for reading"):
                getattr(timings, change)()
        with pytest.raises(TypeError, match="health is for reading"):
            timings["frame"] = 1.0
