"""After `load`, the first frames import no module, start no session and allocate no memory."""

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from mapt.contract import SUBGRAPHS
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.perception.warm_up import FRAMES, Scene, rehearse


@pytest.mark.parametrize("test", [True, False])
def test_every_session_has_run_when_the_tracker_is_there(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, test: bool
) -> None:
    ran = Counter[str]()
    genuine = OrtBackend.run

    def counting(backend: OrtBackend, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        ran[subgraph] += 1
        return genuine(backend, subgraph, inputs)

    monkeypatch.setattr(OrtBackend, "run", counting)
    PanopticTracker.load(bundle, threads=1, test=test, core="python")
    assert ran == {spec.name: 1 for spec in SUBGRAPHS}


def test_the_rehearsal_takes_every_way_a_frame_can_take(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = PanopticTracker.load(bundle, threads=1).backend.info
    frames = []
    tracker = PanopticTracker(Scene(info))
    step = tracker.step
    monkeypatch.setattr(
        tracker, "step", lambda *given, **named: frames.append(step(*given, **named))
    )
    rehearse(tracker)
    stages = [{d.stage for d in frame.decisions} for frame in frames]
    assert len(frames) == FRAMES and stages[0] == {"birth"}
    assert stages[1] == stages[2] == {"propagation", "appearance"}
    assert set(frames[2].timings_ms) >= {
        "preprocess",
        "fusion",
        "motion",
        "appearance",
        "association",
        "output",
    }
    assert not frames[2].alarms


def test_the_rehearsal_leaves_no_trace_but_memory(bundle: Path) -> None:
    tracker = PanopticTracker.load(bundle, threads=1, core="python")
    fresh = PanopticTracker(tracker.backend, model=tracker.model)
    assert tracker.next_id == 1 and tracker.save_state() == fresh.save_state()
    health = tracker.health()
    assert health.frames == health.refused == health.failed == 0 and health.stamp_ns is None


def test_no_module_is_imported_in_the_first_frames(bundle: Path, street: Path) -> None:
    program = """
import pathlib, sys
from mapt.io.image_files import read_rgb
from mapt.runtime import PanopticTracker
paths = sorted(pathlib.Path(sys.argv[2]).rglob("image_02/0000/*.png"))[:3]
images = [read_rgb(path) for path in paths]
tracker = PanopticTracker.load(sys.argv[1], threads=1, test=False)
before = set(sys.modules)
frames = [
    tracker.step(image, number * 10**8, deadline_ms=1e6) for number, image in enumerate(images)
]
tracker.health().to_dict()
assert all(frame.track_array().size for frame in frames)
print(sorted(set(sys.modules) - before))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, bundle, street], capture_output=True, text=True, check=False
    )
    assert ran.stdout == "[]\n", ran.stdout + ran.stderr


def test_a_network_with_one_slot_is_rehearsed(bundle: Path) -> None:
    info = PanopticTracker.load(bundle, threads=1).backend.info
    tracker = PanopticTracker(Scene(replace(info, sizes={**info.sizes, "D": 1})))
    rehearse(tracker)
    assert tracker.health().frames == FRAMES
