"""Other threads, and files that change, do not reach a running tracker."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import (
    BusyError,
    PanopticFrame,
    PanopticTracker,
    StampError,
    StepError,
)
from tests.runtime.faults.playing import PERIOD, Make, Playing, told


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
