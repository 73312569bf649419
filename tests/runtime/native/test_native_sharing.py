"""Native trackers of one process share ONNX Runtime's sessions on a CPU."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.runtime import PanopticFrame, PanopticTracker, Status, TrackerGroup
from mapt.synthetic import render_sequence
from tests.tools.native_build import native_build

Image = NDArray[np.uint8]
Seen = tuple[bytes, bytes, object]  # labels, ids and tracks of a frame
PERIOD = 100_000_000  # ns
# Loads a tracker, forks, and lets the child load and step one of its own.
FORKED = """
import ctypes, os, sys
import numpy as np
from mapt.errors import InputError
from mapt.runtime import PanopticFrame, PanopticTracker, Status, TrackerGroup
from mapt.runtime.native import choice, tracker
from mapt.runtime.native.interface import declare
library = declare(ctypes.CDLL(sys.argv[1]))
choice.load_library = tracker.load_library = lambda: library
load = lambda: PanopticTracker.load(sys.argv[2], threads=2, device="cpu", test=False, core="native")
image = np.random.default_rng(0).integers(0, 255, (192, 352, 3), np.uint8)
first = load()
first.step(image, 1)
child = os.fork()
if not child:
    second = load()
    second.step(image, 1)
    os._exit(0 if second.save_state() == first.save_state() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def load(bundle: Path) -> PanopticTracker:
    return PanopticTracker.load(bundle, threads=1, device="cpu", test=False, core="native")


def frames_of(tracker: PanopticTracker, images: list[Image]) -> list[Seen]:
    return [seen(tracker.step(image, number * PERIOD)) for number, image in enumerate(images)]


def seen(frame: object) -> Seen:
    assert isinstance(frame, PanopticFrame), frame
    return frame.semantic.tobytes(), frame.instance.tobytes(), frame.tracks


@pytest.mark.usefixtures("native_core")
def test_trackers_run_the_same_sessions_at_the_same_time(small_bundle: Path) -> None:
    """Each gives what it gives alone, also when another one is closed meanwhile."""
    images = [np.ascontiguousarray(f.image) for f in render_sequence(5, 0, 6, (192, 352))]
    cameras = [images[:4], images[::-1], [image[:, ::-1] for image in images]]
    alone = [frames_of(load(small_bundle), camera) for camera in cameras]
    assert max(len(tracks) for *_, tracks in alone[0]) > 2  # type: ignore[arg-type]
    found: dict[int, list[Seen]] = {}
    together = threading.Barrier(len(cameras))

    def run(camera: int) -> None:
        tracker = load(small_bundle)
        together.wait()
        found[camera] = frames_of(tracker, cameras[camera])

    threads = [threading.Thread(target=run, args=(camera,)) for camera in range(len(cameras))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[camera] for camera in range(len(cameras))] == alone


@pytest.mark.usefixtures("native_core")
def test_a_groups_cameras_give_what_they_give_alone(small_bundle: Path) -> None:
    images = [np.ascontiguousarray(f.image) for f in render_sequence(5, 0, 5, (240, 480))]
    group = TrackerGroup.load(
        small_bundle.parent, ["front", "left"], threads=2, device="cpu", frame=(240, 480)
    )
    assert {group[name].core for name in group} == {"native"}
    assert group["front"].size_choice == group["left"].size_choice is not None
    info = group["front"].backend.info
    alone = [
        PanopticTracker.load(
            small_bundle.parent / f"{info.height}x{info.width}", core="python", device="cpu"
        )
        for _ in group
    ]
    for number, image in enumerate(images):
        given = [image, image[::-1] if number != 2 else None]
        stamps = [number * PERIOD, number * PERIOD if number != 2 else None]
        mine = group.step(given, stamps)
        for tracker, picture, found in zip(alone, given, mine, strict=True):
            if picture is None:
                assert found is None
            else:
                assert seen(found) == seen(tracker.step(picture, number * PERIOD))
    assert [group[n].save_state() for n in range(2)] == [t.save_state() for t in alone]
    refused = group.step([images[0], "no image"], [10 * PERIOD, 10 * PERIOD])
    assert isinstance(refused[0], PanopticFrame) and isinstance(refused[1], InputError)


@pytest.mark.usefixtures("native_core")
def test_a_groups_deadline_counts_from_its_call(small_bundle: Path) -> None:
    """The second camera begins when the first one is done, and has no time left for its heads."""
    group = TrackerGroup.load(small_bundle, 2, threads=1, device="cpu", test=False)
    images = [np.ascontiguousarray(f.image) for f in render_sequence(5, 0, 6, (192, 352))]
    for number, image in enumerate(images):
        frames = group.step([image, image], [number * PERIOD] * 2)
    first, second = frames
    assert isinstance(first, PanopticFrame) and isinstance(second, PanopticFrame)
    assert second.timings_ms["frame"] > first.timings_ms["frame"]
    last = group.step([images[0]] * 2, [10 * PERIOD] * 2, deadline_ms=[1e6, 1e-3])[1]
    assert isinstance(last, PanopticFrame) and last.degraded == ("appearance", "motion")
    assert group.health()["1"].status == Status.LATE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("library")
def test_a_forked_child_opens_its_own(small_bundle: Path) -> None:
    """The threads that run its parent's sessions stay there."""
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    arguments = [str(native_build() / "libmapt.so"), str(small_bundle)]
    assert subprocess.run([*command, *arguments], check=False, timeout=120).returncode == 0
