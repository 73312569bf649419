"""The tracker on a scripted scene."""

import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import PanopticFrame, PanopticTracker

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns


def image(frame: int) -> np.ndarray:
    out = np.full((64, 96, 3), frame, np.uint8)
    out[32:] = 200
    return out


def play(tracker: PanopticTracker, frames: range, period: int = PERIOD) -> list[PanopticFrame]:
    return [tracker.step(image(f), f * period) for f in frames]


def id_at(frame: PanopticFrame, actor: Any, number: int) -> int:
    x1, y1, x2, y2 = actor.box(number)
    return int(frame.instance[(y1 + y2) // 2, (x1 + x2) // 2])


def same(a: PanopticFrame, b: PanopticFrame) -> bool:
    """All but the timings."""
    fields = (a.tracks, a.decisions, a.stamp_ns, a.overflow) == (
        b.tracks,
        b.decisions,
        b.stamp_ns,
        b.overflow,
    )
    return (
        fields and np.array_equal(a.semantic, b.semantic) and np.array_equal(a.instance, b.instance)
    )


@pytest.fixture
def street(actor: Make) -> tuple[Any, ...]:
    """Two cars that pass each other, a car that is hidden in frames 2 and 3, and a person."""
    return (
        actor(0, 8, dx=8, look=0, score=0.95),
        actor(80, 24, dx=-8, look=1, score=0.9),
        actor(64, 44, dx=2, look=3, hidden=(2, 3), score=0.8),
        actor(40, 44, label=3, look=2, score=0.7),
    )


def test_labels_ids_and_tracks_of_a_sequence(scene: Make, street: tuple[Any, ...]) -> None:
    for number, frame in enumerate(play(PanopticTracker(scene(*street)), range(6))):
        visible = [i + 1 for i, a in enumerate(street) if number not in a.hidden]
        assert [track.id for track in frame.tracks if track.lost == 0] == visible
        assert set(np.unique(frame.instance)) == {0, *visible}
        for track in frame.tracks:
            person = street[track.id - 1]
            assert track.label == person.label and track.age == number
            if track.lost == 0:
                assert id_at(frame, person, number) == track.id and track.box == person.box(number)
                assert (frame.semantic[frame.instance == track.id] == person.label).all()
                assert (frame.instance == track.id).sum() == person.mask(number).sum()
        background = np.where(np.arange(64)[:, None] < 32, 1, 0) + np.zeros((64, 96))
        assert (frame.semantic == background)[frame.instance == 0].all()
        assert frame.stamp_ns == number * PERIOD
        assert {"frame", "backbone", "fusion", "association", "output"} <= set(frame.timings_ms)


def test_occlusion_is_told_by_stages(scene: Make, street: tuple[Any, ...]) -> None:
    frames = play(PanopticTracker(scene(*street)), range(5))
    told = [[d.stage for d in frame.decisions if d.track == 3] for frame in frames]
    assert told == [["birth"], ["propagation"], ["lost"], [], ["appearance"]]
    assert [(track.id, track.lost) for track in frames[3].tracks] == [
        (1, 0),
        (2, 0),
        (4, 0),
        (3, 2),
    ]
    assert [d.score for d in frames[4].decisions if d.track == 3] == pytest.approx([1.0])


@pytest.mark.parametrize("mode", ["full", "motion", "iou"])
def test_masks_are_those_of_the_previous_frame(scene: Make, actor: Make, mode: Any) -> None:
    frames = play(
        PanopticTracker(scene(actor(0, 8, dx=4)), mode), range(15)
    )  # far from where it began
    assert [track.id for track in frames[-1].tracks] == [1]


@pytest.mark.parametrize(("mode", "ids"), [("full", [1, 2]), ("motion", [1, 2]), ("iou", [2, 3])])
def test_in_a_convoy_each_takes_the_place_of_the_next(
    scene: Make, actor: Make, mode: Any, ids: list[int]
) -> None:
    cars = actor(0, 8, dx=16), actor(16, 8, dx=16, score=0.8)
    frame = play(PanopticTracker(scene(*cars), mode), range(2))[1]
    assert [id_at(frame, car, 1) for car in cars] == ids


def test_more_tracks_than_detections_and_more_of_both_than_a_call_takes(
    scene: Make, actor: Make
) -> None:
    cars = [actor(20 * i, 8, look=i, hidden=(1,) * (i < 2), score=0.9 - 0.1 * i) for i in range(3)]
    backend = scene(*cars)  # two rows a call
    frames = play(PanopticTracker(backend), range(3))
    assert [[track.id for track in frame.tracks if track.lost == 0] for frame in frames] == [
        [1, 2, 3],
        [3],
        [1, 2, 3],
    ]
    assert backend.calls.count("motion") == 2 * 3 and backend.calls.count("appearance") == 2 + 1 + 2


def test_two_runs_and_two_trackers_side_by_side_agree(scene: Make, street: tuple[Any, ...]) -> None:
    backend = scene(*street)
    alone = play(PanopticTracker(backend), range(6))
    one = PanopticTracker(backend)
    other = PanopticTracker(backend)
    for number in range(6):
        assert same(one.step(image(number), number * PERIOD), alone[number])
        other.step(image(5 - number), number * PERIOD + 7)
    for _ in range(5):
        assert all(
            same(a, b) for a, b in zip(play(PanopticTracker(backend), range(6)), alone, strict=True)
        )


@pytest.mark.parametrize("stamp", [PERIOD, PERIOD - 1, 0])
def test_a_stamp_that_does_not_rise_is_refused_and_changes_nothing(
    scene: Make, street: tuple[Any, ...], stamp: int
) -> None:
    alone = play(PanopticTracker(scene(*street)), range(4))
    backend = scene(*street)
    tracker = PanopticTracker(backend)
    play(tracker, range(2))
    calls = len(backend.calls)
    with pytest.raises(InputError, match=f"stamp {stamp} ns is not after {PERIOD} ns") as error:
        tracker.step(image(0), stamp)
    with pytest.raises(InputError):
        tracker.step(image(2)[0], 2 * PERIOD)
    assert "\n" not in str(error.value) and len(backend.calls) == calls
    assert all(same(a, b) for a, b in zip(play(tracker, range(2, 4)), alone[2:], strict=True))


def test_an_unknown_association_is_refused(scene: Make, street: tuple[Any, ...]) -> None:
    unknown: Any = "magic"
    with pytest.raises(
        InputError, match="association 'magic' is unknown; choose one of full, motion"
    ):
        PanopticTracker(scene(*street), unknown)


def test_a_gap_ends_propagation_and_only_looks_remain(scene: Make, actor: Make) -> None:
    actors = actor(0, 8, look=0), actor(40, 8, look=1, score=0.8)
    for period, stage, before in ((600_000_000, "propagation", 1), (600_000_001, "appearance", 2)):
        backend = scene(*actors, max_gap=0.6)
        frames = play(PanopticTracker(backend), range(1, 3), period)
        assert {d.stage for d in frames[1].decisions} == {stage}
        assert [track.id for track in frames[1].tracks] == [1, 2]
        assert backend.carried == [
            (1, 1),
            (before, 2),
        ]  # without a previous frame, the same one twice


@pytest.mark.parametrize(
    ("mode", "unused"),
    [("motion", {"appearance"}), ("iou", {"motion", "appearance"}), ("full", set())],
)
def test_modes_run_only_the_heads_they_need(
    scene: Make, street: tuple[Any, ...], mode: Any, unused: set[str]
) -> None:
    backend = scene(*street)
    frames = play(PanopticTracker(backend, mode), range(5))
    assert {"backbone", "semantic", "instance", "motion", "appearance"} - set(
        backend.calls
    ) == unused
    returned = id_at(frames[4], street[2], 4)
    assert (returned == 3) == (mode == "full")  # only a look can bring the hidden car back


def test_reset_forgets_tracks_but_counts_on(scene: Make, street: tuple[Any, ...]) -> None:
    tracker = PanopticTracker(scene(*street))
    play(tracker, range(2))
    tracker.reset()
    frame = tracker.step(image(0), 0)  # an earlier stamp is fine now
    assert [track.id for track in frame.tracks] == [5, 6, 7, 8]
    assert {d.stage for d in frame.decisions} == {"birth"}


def test_an_empty_scene_and_a_full_one(scene: Make, actor: Make) -> None:
    empty = play(PanopticTracker(scene()), range(2))[1]
    assert (
        not empty.instance.any()
        and not empty.tracks
        and not empty.decisions
        and empty.overflow == 0
    )
    crowd = [actor(20 * (i % 4), 22 * (i // 4), score=0.9 - 0.01 * i) for i in range(5)]
    assert play(PanopticTracker(scene(*crowd[:3])), range(1))[0].overflow == 0
    assert play(PanopticTracker(scene(*crowd)), range(1))[0].overflow == 1


def test_boxes_stay_in_the_image(scene: Make, actor: Make) -> None:
    """The network may see something in the zeros beside an image."""
    backend = scene(actor(56, 8), actor(76, 40, score=0.8))
    frame = PanopticTracker(backend).step(image(0)[:, :64], 0)
    assert [*frame.tracks[0].box] == [56, 8, 64, 24]
    assert all(
        x1 <= x2 <= 64 and y1 <= y2 <= 64
        for x1, y1, x2, y2 in (track.box for track in frame.tracks)
    )


def test_importing_the_runtime_loads_numpy_and_opencv_alone() -> None:
    """What makes it quick: of other packages nothing, of Python's own and ours few modules."""
    code = (
        "import sys; had = set(sys.modules); import mapt.runtime; print(*sorted(set(sys.modules) -"
        " had))"
    )
    on_progress = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in on_progress.stdout.split()}
    assert loaded - sys.stdlib_module_names == {"cv2", "mapt", "numpy"}
    assert len(on_progress.stdout.split()) < 400


def test_importing_the_runtime_stays_under_150_mb() -> None:
    """Resident memory of a fresh process; the model comes on top."""
    code = "import mapt.runtime; print(open('/proc/self/statm').read().split()[1])"
    on_progress = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 10e6 < int(on_progress.stdout) * resource.getpagesize() < 150e6


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_memory_is_flat_over_20000_frames(scene: Make, street: tuple[Any, ...]) -> None:
    """Resident memory after 2,000 and after 20,000 frames."""
    from pathlib import Path

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    backend = scene(*street)
    tracker = PanopticTracker(backend)
    for number in range(20_000):
        tracker.step(image(number % 8), number * PERIOD)
        backend.calls.clear()  # what the fake network itself keeps
        backend.carried.clear()
        if number == 2_000:
            before = resident()
    assert resident() <= before * 1.02
