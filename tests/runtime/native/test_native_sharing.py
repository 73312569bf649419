"""Native trackers of one process share ONNX Runtime's sessions on a CPU."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.runtime import PanopticTracker
from mapt.synthetic import render_sequence
from tests.tools.native_build import native_build

Image = NDArray[np.uint8]
Seen = tuple[bytes, bytes, object]  # labels, ids and tracks of a frame
PERIOD = 100_000_000  # ns
# Loads a tracker, forks, and lets the child load and step one of its own.
FORKED = """
import ctypes, os, sys
import numpy as np
from mapt.runtime import PanopticTracker
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
    frames = [tracker.step(image, number * PERIOD) for number, image in enumerate(images)]
    return [(f.semantic.tobytes(), f.instance.tobytes(), f.tracks) for f in frames]


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("library")
def test_a_forked_child_opens_its_own(small_bundle: Path) -> None:
    """The threads that run its parent's sessions stay there."""
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    arguments = [str(native_build() / "libmapt.so"), str(small_bundle)]
    assert subprocess.run([*command, *arguments], check=False, timeout=120).returncode == 0
