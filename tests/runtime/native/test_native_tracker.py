"""A tracker on the native core gives what one on the Python core gives."""

import copy
import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.runtime import BusyError, PanopticFrame, PanopticTracker, StampError, StateError, Status
from mapt.synthetic import render_sequence

Image = NDArray[np.uint8]
PERIOD = 100_000_000  # ns

pytestmark = pytest.mark.usefixtures("native_core")


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """Six frames of a street, of another size than the network's input."""
    return [np.ascontiguousarray(frame.image) for frame in render_sequence(5, 0, 6, (240, 480))]


def load(bundle: Path, core: str, **options: object) -> PanopticTracker:
    return PanopticTracker.load(bundle, threads=1, device="cpu", core=core, **options)  # type: ignore[arg-type]


@pytest.fixture
def native(small_bundle: Path) -> Iterator[PanopticTracker]:
    tracker = load(small_bundle, "native")
    assert tracker.core == "native"
    yield tracker


@pytest.fixture
def python(small_bundle: Path) -> PanopticTracker:
    return load(small_bundle, "python")


def told(frame: PanopticFrame) -> dict[str, object]:
    """All of a frame but how long it took."""
    values = dataclasses.asdict(frame)
    values.pop("timings_ms")
    values["semantic"] = frame.semantic.tobytes()
    values["instance"] = frame.instance.tobytes()
    return values


def test_frames_and_saved_bytes_are_the_same(
    native: PanopticTracker, python: PanopticTracker, images: list[Image]
) -> None:
    for number, image in enumerate([*images, np.zeros_like(images[0]), images[-1], images[-1]]):
        mine = native.step(image, number * PERIOD)
        theirs = python.step(image, number * PERIOD)
        assert told(mine) == told(theirs)
        assert list(mine.timings_ms) == list(theirs.timings_ms)
        assert native.next_id == python.next_id
        assert native.save_state() == python.save_state()
    assert max(track.id for track in theirs.tracks) > 3
    assert native.health().status == python.health().status == Status.INVALID


def test_state_goes_from_one_core_to_the_other(
    native: PanopticTracker, python: PanopticTracker, images: list[Image]
) -> None:
    for number, image in enumerate(images[:3]):
        python.step(image, number * PERIOD)
    native.restore_state(python.save_state())
    for number, image in enumerate(images[3:], 3):
        assert told(native.step(image, number * PERIOD)) == told(
            python.step(image, number * PERIOD)
        )
    python.reset()
    native.reset()
    python.restore_state(native.save_state())
    assert python.next_id == native.next_id > 1


def test_errors_are_those_of_the_python_core(
    native: PanopticTracker, python: PanopticTracker, images: list[Image]
) -> None:
    native.step(images[0], PERIOD)
    python.step(images[0], PERIOD)
    before = native.save_state()
    for stamp in (PERIOD, 0, -1, 2**63, 10**16):
        said = []
        for tracker in (native, python):
            with pytest.raises(StampError) as error:
                tracker.step(images[1], stamp)
            said.append(str(error.value))
        assert said[0] == said[1]
    for data in (b"", b"nothing", before[:-1], before[:40] + b"\0" + before[41:], 7):
        for tracker in (native, python):
            with pytest.raises(StateError):
                tracker.restore_state(data)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="step\\(\\) needs uint8"):
        native.step(images[0][..., 0], 3 * PERIOD)
    assert native.save_state() == before
    assert native.health().refused == python.health().refused + 1


def test_an_image_may_be_a_view(native: PanopticTracker, images: list[Image]) -> None:
    wide = np.zeros((240, 500, 3), np.uint8)
    wide[:, 10:490] = images[0]
    first = native.step(wide[:, 10:490], 0)
    native.reset()
    mirrored = np.ascontiguousarray(images[0][:, ::-1])[:, ::-1]
    again = native.step(mirrored, PERIOD)
    assert np.array_equal(first.semantic, again.semantic)


def test_one_thread_at_a_time_steps_and_any_asks(
    native: PanopticTracker, images: list[Image]
) -> None:
    native.step(images[0], 0)
    state = native.save_state()
    busy = threading.Event()
    found: list[object] = []

    def watch() -> None:
        while not busy.wait(0.001):
            found.append(native.health().busy_ms)
            assert native.save_state()[:4] == state[:4]
            try:
                native.reset()
            except BusyError as error:
                found.append(error)
                return

    watcher = threading.Thread(target=watch)
    with native._turn.taken():
        watcher.start()
        watcher.join()
    busy.set()
    assert isinstance(found[-1], BusyError)
    native.step(images[1], PERIOD)


def test_options_reach_the_core(small_bundle: Path, images: list[Image]) -> None:
    few = load(small_bundle, "native", max_objects=2, association="iou")
    same = load(small_bundle, "python", max_objects=2, association="iou")
    for number, image in enumerate(images[:3]):
        assert told(few.step(image, number * PERIOD)) == told(same.step(image, number * PERIOD))
    assert few.save_state() == same.save_state()
    with pytest.raises(InputError, match="max_objects is 0"):
        load(small_bundle, "native", max_objects=0)
    with pytest.raises(InputError, match="core 'rust' is unknown"):
        load(small_bundle, "rust")


def test_a_deadline_leaves_heads_out(native: PanopticTracker, images: list[Image]) -> None:
    for number, image in enumerate(images[:3]):
        native.step(image, number * PERIOD)
    frame = native.step(images[3], 3 * PERIOD, deadline_ms=0.001)
    assert frame.degraded == ("appearance", "motion")
    assert native.health().status == Status.LATE
    with pytest.raises(InputError, match="give milliseconds above 0"):
        native.step(images[4], 4 * PERIOD, deadline_ms=-1)


def test_the_camera_chooses_the_size(small_bundle: Path) -> None:
    sizes = []
    for core in ("native", "python"):
        tracker = load(small_bundle.parent, core, frame=(100, 500), test=False)
        info = tracker.backend.info
        assert tracker.size_choice and tracker.size_choice.size == (info.height, info.width)
        sizes.append(tracker.size_choice)
    assert sizes[0] == sizes[1]


def test_auto_takes_what_runs(small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(small_bundle, "auto", test=False).core == "native"
    tracker = load(small_bundle, "auto", frame=(100, 500), budget_ms=1e6, test=False)
    assert tracker.core == "python"
    with pytest.raises(InputError, match="core 'native': backend 'openvino'"):
        load(small_bundle, "native", backend="openvino")

    def absent() -> object:
        raise InputError("the native core is not built")

    monkeypatch.setattr("mapt.runtime.native.choice.load_library", absent)
    assert load(small_bundle, "auto", test=False).core == "python"
    with pytest.raises(InputError, match="core 'native': the native core is not built"):
        load(small_bundle, "native")


def test_it_is_neither_copied_nor_run_by_parts(native: PanopticTracker) -> None:
    with pytest.raises(TypeError):
        copy.copy(native)
    with pytest.raises(InputError, match="core='python'"):
        native.backend.run("backbone", {})
    assert json.dumps(native.health().to_dict())
