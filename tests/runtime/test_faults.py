"""Whatever goes wrong in a frame, the tracker is as before, and the next good frame is right."""

import threading
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.contract import BY_NAME
from mapt.errors import InputError
from mapt.runtime import (
    BackendError,
    BusyError,
    OutputError,
    PanopticFrame,
    PanopticTracker,
    StampError,
    Status,
    StepError,
)

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns
HOUR = 3600 * 10**9


@pytest.fixture
def street(actor: Make) -> tuple[Any, ...]:
    """Two cars that pass each other and a person."""
    return (
        actor(0, 8, dx=4, look=0, score=0.95),
        actor(80, 24, dx=-4, look=1, score=0.9),
        actor(40, 44, label=3, look=2, score=0.7),
    )


def told(frame: PanopticFrame) -> tuple[Any, ...]:
    """All of a frame but its timings, to be compared."""
    pixels = zlib.crc32(frame.semantic.tobytes()), zlib.crc32(frame.instance.tobytes())
    return (
        frame.tracks,
        frame.decisions,
        frame.stamp_ns,
        frame.overflow,
        frame.degraded,
        frame.alarms,
        *pixels,
    )


def ids(frame: PanopticFrame) -> list[int]:
    return [track.id for track in frame.tracks if track.lost == 0]


class Playing:
    """A tracker at frame 2 of a street, and what it should say from there on."""

    def __init__(self, backend: Any, picture: Make) -> None:
        self.backend = backend
        self.picture = picture
        alone = PanopticTracker(backend)
        self.expected = [told(alone.step(picture(n), n * PERIOD)) for n in range(6)]
        self.tracker = PanopticTracker(backend)
        for number in range(2):
            assert (
                told(self.tracker.step(picture(number), number * PERIOD)) == self.expected[number]
            )
        self.before = self.tracker.save_state()

    def goes_on(self) -> None:
        """Nothing changed, to the last bit, and the next frames are those of an undisturbed run."""
        assert self.tracker.save_state() == self.before
        for number in range(2, 6):
            assert (
                told(self.tracker.step(self.picture(number), number * PERIOD))
                == self.expected[number]
            )


@pytest.fixture
def playing(scene: Make, street: tuple[Any, ...], picture: Make) -> Playing:
    return Playing(scene(*street), picture)


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


@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 96, 3), np.nan, np.float32),
        np.zeros((64, 96, 3), np.int8),
        np.zeros((96, 3), np.uint8),
        np.zeros((64, 96, 1), np.uint8),
        np.zeros((3, 64, 96), np.uint8),
        np.zeros((64, 0, 3), np.uint8),
        np.zeros((64, 96, 3), np.uint8).tolist(),
        None,
    ],
    ids=["nan", "int8", "2d", "grey", "planar", "empty", "list", "none"],
)
def test_a_wrong_image_changes_nothing(playing: Playing, image: Any) -> None:
    with pytest.raises(InputError, match=r"step\(\) needs"):
        playing.tracker.step(image, 2 * PERIOD)
    assert playing.tracker.health().status is Status.NO_INPUT
    playing.goes_on()


@pytest.mark.parametrize("layout", ["flipped", "strided", "fortran", "readonly"])
def test_any_memory_layout_gives_the_same_labels(playing: Playing, layout: str) -> None:
    image = playing.picture(2)
    if layout == "flipped":
        image = np.ascontiguousarray(image[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]
    elif layout == "strided":
        image = np.repeat(image, 2, axis=1)[:, ::2]
    elif layout == "fortran":
        image = np.asfortranarray(image)
    else:
        image.flags.writeable = False
    assert told(playing.tracker.step(image, 2 * PERIOD)) == playing.expected[2]


@pytest.mark.parametrize(
    "error", [RuntimeError("out of\nmemory"), ValueError(), MemoryError("no"), OSError(5, "gone")]
)
@pytest.mark.parametrize("subgraph", list(BY_NAME))
def test_a_backend_that_raises_changes_nothing(
    playing: Playing, subgraph: Any, error: Exception
) -> None:
    playing.backend.raises = {subgraph: error}
    with pytest.raises(BackendError, match=f"^{subgraph}: {type(error).__name__}") as raised:
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    assert raised.value.__cause__ is error and "\n" not in str(raised.value)
    health = playing.tracker.health()
    assert (health.status, health.failed, health.frames) == (Status.FAULT, 1, 2)
    assert health.reason == str(raised.value)
    playing.backend.raises = {}
    playing.goes_on()
    assert playing.tracker.health().status is Status.OK


def test_an_interrupt_changes_nothing(playing: Playing) -> None:
    playing.backend.raises = {"appearance": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    playing.backend.raises = {}
    playing.goes_on()


FLOATS = [(g, t.name) for g, spec in BY_NAME.items() for t in spec.outputs if t.dtype == "float32"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("subgraph", "tensor"), FLOATS)
def test_one_nan_or_infinity_in_any_output_changes_nothing(
    playing: Playing, subgraph: str, tensor: str, value: float
) -> None:
    def spoil(outputs: dict[str, Any]) -> None:
        outputs[tensor].flat[-1] = value

    playing.backend.spoil = {subgraph: spoil}
    with pytest.raises(OutputError, match=f"^{subgraph}: {tensor} holds NaN or infinity"):
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    assert playing.tracker.health().status is Status.INVALID
    playing.backend.spoil = {}
    playing.goes_on()


def _spoilt(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def spoil(outputs: dict[str, Any]) -> None:
        outputs[name] = change(outputs[name])

    return spoil


@pytest.mark.parametrize(
    ("subgraph", "spoil", "words"),
    [
        ("semantic", _spoilt("s", lambda s: s[:, :, 1:]), r"s is float32 \(1, 1, 7, 12\)"),
        ("semantic", _spoilt("s", lambda s: s.astype(np.float64)), "s is float64"),
        ("semantic", _spoilt("labels", lambda s: s.tolist()), "labels is list"),
        ("semantic", lambda out: out.pop("logits"), "logits is NoneType"),
        ("instance", _spoilt("count", lambda c: c + 500), "count is 503"),
        ("instance", _spoilt("count", lambda c: c - 9), "count is -6"),
        ("instance", _spoilt("classes", lambda c: c * 0), "none of the things"),
        ("instance", _spoilt("classes", lambda c: c + 1000), "none of the things"),
        ("instance", _spoilt("scores", lambda c: c + 2), r"outside \[0,1\]"),
        ("instance", _spoilt("scores", lambda c: c - 2), r"outside \[0,1\]"),
        ("appearance", _spoilt("embeddings", lambda e: e[:1]), r"embeddings is float32 \(1, 8\)"),
    ],
)
def test_an_output_that_breaks_the_contract_changes_nothing(
    playing: Playing, subgraph: str, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    playing.backend.spoil = {subgraph: spoil}
    with pytest.raises(OutputError, match=f"^{subgraph}: .*{words}"):
        playing.tracker.step(playing.picture(5), 2 * PERIOD)
    playing.backend.spoil = {}
    playing.goes_on()


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 5), (40, 40, 2, 2), (-1e9, -1e9, 1e9, 1e9), (500, 500, 600, 600)]
)
def test_boxes_of_any_kind_do_no_harm(playing: Playing, box: tuple[float, ...]) -> None:
    def spoil(outputs: dict[str, Any]) -> None:
        outputs["boxes"][0] = box

    playing.backend.spoil = {"instance": spoil}
    frame = playing.tracker.step(playing.picture(2), 2 * PERIOD)
    assert 3 in ids(frame)  # the person's box is good
    playing.tracker.restore_state(playing.tracker.save_state())  # which checks the table in full
    assert all(np.isfinite(track.box).all() for track in frame.tracks)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_colour_leaves_identities_alone(playing: Playing, level: int) -> None:
    noise = np.random.default_rng(0).integers(0, 9, (64, 96, 3))
    for number in range(2):  # twice in a row, with a camera's noise
        image = np.clip(level - 4 + noise, 0, 255).astype(np.uint8)
        frame = playing.tracker.step(image, 2 * PERIOD - 5 + number)
        assert frame.alarms == ("blind",) and not frame.instance.any() and frame.decisions == ()
        assert [(t.id, t.lost) for t in frame.tracks] == [(1, 1), (2, 1), (3, 1)]
        assert playing.tracker.health().status is Status.INVALID
    playing.goes_on()


def test_a_frozen_camera_is_told_and_ends_propagation_when_it_lasts(
    scene: Make, street: tuple[Any, ...], picture: Make
) -> None:
    backend = scene(*street, max_gap=0.35)
    tracker = PanopticTracker(backend)
    tracker.step(picture(0), 0)
    for number in range(1, 4):
        frame = tracker.step(picture(0), number * PERIOD)
        assert frame.alarms == ("frozen",) and ids(frame) == [1, 2, 3]
        assert tracker.health().status is Status.INVALID and "camera" in tracker.health().reason
    back = tracker.step(picture(5), 4 * PERIOD)  # the last new picture is 0.4 s old
    assert (
        back.alarms == ()
        and {d.stage for d in back.decisions} == {"appearance"}
        and ids(back) == [1, 2, 3]
    )
    assert backend.carried[-1] == (5, 5)  # the stale features were not used
    assert {d.stage for d in tracker.step(picture(6), 5 * PERIOD).decisions} == {"propagation"}


def test_another_image_size_ends_propagation(
    scene: Make, street: tuple[Any, ...], picture: Make
) -> None:
    tracker = PanopticTracker(scene(*street))
    tracker.step(picture(0), 0)
    frame = tracker.step(picture(1, 64, 90), PERIOD)
    assert {d.stage for d in frame.decisions} == {"appearance"} and ids(frame) == [1, 2, 3]


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


def test_two_threads_at_once_are_told_apart(playing: Playing) -> None:
    inside = threading.Event()
    go = threading.Event()
    errors = []

    def wait(_: Mapping[str, Any]) -> None:
        inside.set()
        assert go.wait()

    def intrude(call: Callable[[], object]) -> None:
        with pytest.raises(BusyError, match="another thread") as error:
            call()
        errors.append(error.value)

    playing.backend.spoil = {"motion": wait}
    tracker = playing.tracker
    picture = playing.picture
    results: list[PanopticFrame] = []
    worker = threading.Thread(
        target=lambda: results.append(tracker.step(picture(2), 2 * PERIOD)), daemon=True
    )
    worker.start()
    assert inside.wait()
    intrude(lambda: tracker.step(picture(3), 3 * PERIOD))
    intrude(tracker.reset)
    intrude(lambda: tracker.restore_state(playing.before))
    assert (
        tracker.save_state() == playing.before
    )  # reading is free, and sees the state before the step
    assert tracker.health().busy_ms > 0 and tracker.health().failed == 0
    go.set()
    worker.join()
    assert (
        told(results[0]) == playing.expected[2]
        and len(errors) == 3
        and isinstance(errors[0], StepError)
    )
    playing.backend.spoil = {}
    for number in range(3, 6):
        assert told(tracker.step(picture(number), number * PERIOD)) == playing.expected[number]


def test_many_threads_leave_the_table_whole(
    scene: Make, street: tuple[Any, ...], picture: Make
) -> None:
    tracker = PanopticTracker(scene(*street))
    on_progress = []
    refused = []

    def work(first: int) -> None:
        for number in range(first, 40, 4):
            try:
                on_progress.append(tracker.step(picture(number % 5), number * PERIOD))
            except (BusyError, StampError) as error:
                refused.append(error)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(on_progress) + len(refused) == 40 and on_progress
    stamps = sorted(frame.stamp_ns for frame in on_progress)
    assert len(set(stamps)) == len(stamps) and tracker.health().frames == len(on_progress)
    tracker.restore_state(tracker.save_state())  # which checks the table in full


def test_ids_that_run_out_are_an_error_not_a_second_life(
    scene: Make, actor: Make, picture: Make
) -> None:
    from dataclasses import replace

    tracker = PanopticTracker(scene(actor(8, 8)))
    tracker._state = replace(tracker._state, table=replace(tracker._state.table, next_id=2**31))
    with pytest.raises(StepError, match="ids are used up"):
        tracker.step(picture(0), 0)


def test_the_order_of_detections_does_not_matter(playing: Playing) -> None:
    rng = np.random.default_rng(0)

    def shuffle(outputs: dict[str, Any]) -> None:
        order = rng.permutation(int(outputs["count"][0]))
        for name in ("boxes", "scores", "classes", "mask_logits", "masks8"):
            outputs[name][: len(order)] = outputs[name][order]

    playing.backend.spoil = {"instance": shuffle}
    tracker = PanopticTracker(playing.backend)
    assert [
        told(tracker.step(playing.picture(n), n * PERIOD)) for n in range(6)
    ] == playing.expected


def test_a_bundle_that_changes_on_disk_does_not_reach_a_running_tracker(
    bundle: Path, tmp_path: Path, picture: Make
) -> None:
    import shutil

    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    images = [np.random.default_rng(n).integers(0, 255, (192, 624, 3), np.uint8) for n in range(2)]
    first = PanopticTracker.load(copy, threads=1)
    other = PanopticTracker.load(bundle, threads=1)
    expected = [told(other.step(image, n * PERIOD)) for n, image in enumerate(images)]
    assert told(first.step(images[0], 0)) == expected[0]
    for path in copy.iterdir():
        path.write_bytes(b"swapped")
    assert told(first.step(images[1], PERIOD)) == expected[1]
    with pytest.raises(InputError):
        PanopticTracker.load(copy)


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


def test_a_label_that_is_no_class_is_refused(scene: Make, actor: Make, picture: Make) -> None:
    backend = scene(actor(0, 8))

    def spoil(outputs: dict[str, np.ndarray]) -> None:
        outputs["labels"][0, 0, 0] = 200

    backend.spoil = {"semantic": spoil}
    with pytest.raises(
        OutputError, match=r"semantic: a label is 200, not within 0\.\.\d+; frame dropped"
    ):
        PanopticTracker(backend).step(picture(0), 0)
