"""rerun: what is sent to it, and what happens without it."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mapt.app.rerun_view import RerunView, rerun_view
from mapt.errors import InputError
from mapt.io.sources.frame import Frame
from mapt.labels.class_sets import KITTI_STEP
from mapt.runtime import PanopticFrame, Track

Run = Callable[..., Any]


@pytest.fixture
def labelled() -> PanopticFrame:
    """One visible car, one lost."""
    instance = np.zeros((40, 60), np.int32)
    instance[10:20, 5:25] = 7
    tracks = (Track(7, 13, 0.9, (5, 10, 25, 20), 3, 0), Track(4, 13, 0.8, (0, 0, 9, 9), 5, 2))
    semantic = np.where(instance, 13, 0).astype(np.uint8)
    return PanopticFrame(
        semantic, instance, tracks, (), {"frame": 12.5}, 300_000_000, 0, (), ("churn",)
    )


@pytest.fixture
def frame(labelled: PanopticFrame) -> Frame:
    return Frame("000003", labelled.stamp_ns, np.zeros((*labelled.instance.shape, 3), np.uint8))


class Recording:
    """Writes down what is logged, and where it is saved."""

    def __init__(self, name: str) -> None:
        self.sent: dict[str, Any] = {}
        self.times: dict[str, Any] = {}

    def log(self, path: str, entity: Any, static: bool = False) -> None:
        self.sent[path] = entity

    def set_time(self, timeline: str, **value: float) -> None:
        self.times[timeline] = value

    def save(self, path: Path) -> None:
        self.path = path

    def spawn(self) -> None:
        raise RuntimeError("no display")

    def flush(self) -> None:
        self.path.write_text(json.dumps(sorted(self.sent)))

    def disconnect(self) -> None:
        pass


class Rerun(SimpleNamespace):
    """The module; archetypes are namespaces of their arguments."""

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: SimpleNamespace(
            kind=name, given=given, compress=lambda **_: name, **named
        )


def test_a_frame_is_sent_whole(labelled: PanopticFrame, frame: Frame) -> None:
    recording = Recording("mapt")
    view = RerunView(Rerun(Box2DFormat=SimpleNamespace(XYXY=0)), recording, KITTI_STEP)
    view.show("0002", 3, frame, labelled)
    assert recording.times == {"frame": {"sequence": 3}, "time": {"duration": 0.3}}
    boxes = recording.sent["0002/image/tracks"]
    assert boxes.labels == ["7 car"] and boxes.array == [(5, 10, 25, 20)] and len(boxes.colors) == 1
    assert recording.sent["0002/image/semantic"].given[0] is labelled.semantic
    assert recording.sent["0002/ms/frame"].given == ([12.5],)
    assert recording.sent["0002/events"].given == ("alarm: churn",)
    assert len(recording.sent["/"].given[0]) == len(KITTI_STEP.classes)


def test_the_file_appears_when_all_is_in_it(
    labelled: PanopticFrame, frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Rerun(Box2DFormat=SimpleNamespace(XYXY=0), RecordingStream=Recording)
    monkeypatch.setitem(sys.modules, "rerun", module)
    with rerun_view(str(tmp_path / "run.rrd"), KITTI_STEP) as view:
        view.show("0002", 0, frame, labelled)
        assert not (tmp_path / "run.rrd").exists()
    assert "0002/image" in json.loads((tmp_path / "run.rrd").read_text())
    with (
        pytest.raises(ValueError, match="stop"),
        rerun_view(str(tmp_path / "other.rrd"), KITTI_STEP),
    ):
        raise ValueError("stop")
    assert [p.name for p in tmp_path.iterdir()] == ["run.rrd"]
    with (
        pytest.raises(InputError, match=r"cannot be opened \(no display\)"),
        rerun_view("live", KITTI_STEP),
    ):
        pass


def test_without_rerun_one_line_says_so(
    mapt: Run, bundle: Path, street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    ran = mapt(
        "track",
        street,
        "--model",
        bundle,
        "--out",
        tmp_path / "out",
        "--rerun",
        tmp_path / "run.rrd",
    )
    assert (
        ran.code == 2
        and ran.err == "mapt: --rerun: rerun is not installed; pip install 'mapt[rerun]'\n"
    )
    assert not list(tmp_path.iterdir())


def test_the_real_rerun_writes_a_recording(
    labelled: PanopticFrame, frame: Frame, tmp_path: Path
) -> None:
    pytest.importorskip("rerun", reason="needs rerun: pip install 'mapt[rerun]'")
    with rerun_view(str(tmp_path / "run.rrd"), KITTI_STEP) as view:
        view.show("0002", 0, frame, labelled)
        view.show("0002", 1, frame, replace(labelled, tracks=(), alarms=()))
    assert (tmp_path / "run.rrd").stat().st_size > 1000
