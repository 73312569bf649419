"""Errors of libraries, and a lack of memory, reach the host as documented errors."""

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mapt.errors import InputError
from mapt.runtime import PanopticTracker, StepError

CAUSES = [
    MemoryError("Unable to allocate 95 MiB"),
    cv2.error("Insufficient\nmemory"),
    RuntimeError("bad"),
    OSError(12, "no"),
]


def failing(error: Exception) -> Any:
    """A function that raises."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", CAUSES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "place",
    [
        *("images.network_input.to_input", "images.network_input.look_at", "frame_maker.fuse"),
        *("frame_maker.compute_association_inputs", "frame_maker.label_frame"),
    ],
)
def test_a_step_that_a_library_fails_is_a_step_error_and_changes_nothing(
    scene: Any,
    actor: Any,
    picture: Any,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: Exception,
) -> None:
    tracker = PanopticTracker(scene(actor(8, 8)))
    tracker.step(picture(0), 0)
    before = tracker.save_state()
    with monkeypatch.context() as patched:
        patched.setattr(f"mapt.runtime.{place}", failing(error))
        with pytest.raises(
            StepError, match=r"^the frame cannot be labelled .*; frame dropped$"
        ) as told:
            tracker.step(picture(1), 100_000_000)
    assert told.value.__cause__ is error and tracker.save_state() == before
    assert tracker.health().status == "FAULT"
    assert tracker.step(picture(1), 100_000_000).tracks


@pytest.mark.parametrize("error", CAUSES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "place",
    [
        "loading.read_bundle",
        "loading.open_backend",
        "loading.self_test",
        "tracker.rehearse",
        "tracker.PanopticTracker.__init__",
    ],
)
def test_a_load_that_a_library_fails_is_an_input_error(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    monkeypatch.setattr(f"mapt.runtime.{place}", failing(error))
    with pytest.raises(InputError, match=f"^{bundle}: cannot be loaded .*; free memory") as told:
        PanopticTracker.load(bundle, threads=1, core="python")
    assert told.value.__cause__ is error and "\n" not in str(told.value)


@pytest.mark.parametrize("shape", [(2**31 - 1, 2**15), (1, 2**16), (2**16, 1), (2**15 + 1, 2**15)])
def test_an_image_that_opencv_cannot_count_is_refused(
    scene: Any, actor: Any, picture: Any, shape: tuple[int, int]
) -> None:
    """OpenCV's 32-bit sizes would overflow and end the process.

    The picture is a view of one pixel, so it takes no memory.
    """
    tracker = PanopticTracker(scene(actor(8, 8)))
    with pytest.raises(
        InputError, match=r"image is .*; step\(\) takes sides of up to 65535 and 1073741824 pixels"
    ):
        tracker.step(np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (*shape, 3)), 0)
    assert tracker.step(picture(1), 100_000_000).tracks


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
@pytest.mark.parametrize("core", ["python", "auto"])
def test_a_load_without_memory_is_refused_at_once(bundle: Path, core: str) -> None:
    """Below SciPy, OpenBLAS would ask for its buffer again and again."""
    program = """
import resource, sys
from mapt.errors import InputError
from mapt.runtime import PanopticTracker
import onnxruntime
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2**25, now + 2**25))
try:
    PanopticTracker.load(sys.argv[1], threads=1, core=sys.argv[2])
except InputError as error:
    if sys.argv[2] == "python":
        print(type(error.__cause__).__name__, error.__cause__.errno)
    else:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, bundle, core], capture_output=True, text=True, check=True
    )
    if core == "python":
        assert ran.stdout == f"OSError {errno.ENOMEM}\n"
    else:
        assert "memory" in ran.stdout and ran.stdout.count("\n") == 1
