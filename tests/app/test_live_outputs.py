"""Outputs of live sources: whole at the end, however it comes, and in memory that does not grow."""

import gc
import json
import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mapt.app.stopping import PATIENCE, stopped_by_signals
from mapt.app.track_source import track_source
from mapt.errors import InputError
from mapt.io.sources.live.connection import Received
from mapt.io.sources.live.source import LiveSource
from mapt.labels.class_sets import KITTI_STEP
from mapt.runtime import Decision, PanopticFrame, Track

SIZE = (8, 12)
KINDS = ("step", "json", "coco", "mot")


class Tracker:
    """Labels every frame with one car, a new one every ten frames, as slowly as it is told."""

    backend = SimpleNamespace(
        info=SimpleNamespace(classes=KITTI_STEP.classes, things=KITTI_STEP.things)
    )

    def __init__(self, pause: float = 0.0, first: int = 1) -> None:
        self.next_id = first
        self.pause = pause
        self.count = 0
        self.stamps: list[int] = []

    def reset(self) -> None:
        self.count = 0

    def health(self) -> Any:
        return SimpleNamespace(providers={})

    def step(self, image: Any, stamp_ns: int) -> PanopticFrame:
        time.sleep(self.pause)
        if self.count % 10 == 0:
            self.next_id += 1
        self.count += 1
        number = self.next_id - 1
        car = Track(number, 13, 0.9, (1.0, 1.0, 5.0, 5.0), 0, 0)
        decision = Decision("birth", number, 0, 0.9, None, 0.4, 0.5)
        instance = np.zeros(SIZE, np.int32)
        instance[1:5, 1:5] = number
        timings = {"frame": 1.0}
        semantic = np.zeros(SIZE, np.uint8)
        return PanopticFrame(semantic, instance, (car,), (decision,), timings, stamp_ns, 0)


class Camera:
    """60 frames per second by its own clock, sent as fast as it is told."""

    fps = 60.0
    size = None
    damaged = 0

    def __init__(self, count: int, pause: float = 0.0, forever: bool = False) -> None:
        self.count = count
        self.pause = pause
        self.forever = forever
        self.released = threading.Event()

    def frames(self) -> Iterator[Received]:
        for number in range(self.count):
            time.sleep(self.pause)
            yield Received(number * 16_666_667, lambda: np.zeros((*SIZE, 3), np.uint8))
        if self.forever:
            self.released.wait(30)

    def close(self) -> None:
        pass


def tracks_of(out: Path) -> Any:
    return json.loads((out / "cam" / "tracks.json").read_text())


def run(tracker: Any, source: LiveSource, out: Path, kinds: tuple[str, ...] = KINDS) -> Any:
    return track_source(tracker, source, out, kinds)


def test_a_60_hz_camera_and_a_20_hz_tracker(tmp_path: Path) -> None:
    source = LiveSource("cam", "cam", Camera(240, pause=0.001))
    result = run(Tracker(pause=0.003), source, tmp_path)
    stream = result.stream
    assert stream.received == 240 and stream.dropped > 0
    assert result.frames == 240 - stream.dropped
    frames = tracks_of(tmp_path)["frames"]
    assert [f["stamp_ns"] for f in frames] == [int(f["frame"]) * 16_666_667 for f in frames]
    assert tracks_of(tmp_path)["stream"] == {
        "received": 240,
        "dropped": stream.dropped,
        "damaged": 0,
        "reconnections": 0,
        "ended": "",
    }
    assert f"{stream.dropped} dropped because tracking is slower" in stream.told()
    pictures = sorted(p.stem for p in (tmp_path / "step" / "cam").iterdir())
    assert pictures == [f["frame"] for f in frames]


def test_every_file_is_the_same_as_if_it_were_written_at_once(tmp_path: Path) -> None:
    source = LiveSource("cam", "cam", Camera(25), lossless=True)
    result = run(Tracker(), source, tmp_path)
    assert (result.frames, result.tracks) == (25, 3)
    text = (tmp_path / "cam" / "tracks.json").read_text()
    assert text == json.dumps(json.loads(text)) + "\n" and len(json.loads(text)["frames"]) == 25
    coco = json.loads((tmp_path / "cam" / "coco.json").read_text())
    assert list(coco) == ["images", "annotations", "categories"]
    assert [a["image_id"] for a in coco["annotations"]] == list(range(1, 26))
    assert len((tmp_path / "cam" / "mot.txt").read_text().splitlines()) == 25
    decisions = (tmp_path / "cam" / "decisions.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in decisions] == list(range(25))
    assert sorted(p.name for p in (tmp_path / "cam").iterdir()) == [
        "coco.json",
        "decisions.jsonl",
        "mot.txt",
        "tracks.json",
    ]


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    held = dict[int, int]()

    def measure(_: str, labelled: Any) -> None:
        if labelled.index in (100, 1000):
            gc.collect()
            held[labelled.index], _most = tracemalloc.get_traced_memory()

    source = LiveSource("cam", "cam", Camera(1001), lossless=True)
    tracker: Any = Tracker()
    tracemalloc.start()
    try:
        track_source(
            tracker, source, tmp_path, ("json", "coco", "mot", "mots", "csv"), show=measure
        )
    finally:
        tracemalloc.stop()
    assert held[1000] - held[100] < 900 * 40  # a frame leaves the time of its step alone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stream_and_its_outputs_are_whole(
    tmp_path: Path, number: signal.Signals
) -> None:
    camera = Camera(20, forever=True)
    source = LiveSource("cam", "cam", camera)
    before = signal.getsignal(number)

    def send(_: str, labelled: Any) -> None:
        if labelled.index == 0:
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()

    tracker: Any = Tracker()
    result = track_source(tracker, source, tmp_path, KINDS, show=send)
    camera.released.set()
    assert signal.getsignal(number) == before
    frames = tracks_of(tmp_path)["frames"]
    assert result.stream is not None and result.stream.ended == ""
    assert 0 < result.frames == len(frames)
    assert not [p for p in tmp_path.rglob(".*")]


def test_a_second_ctrl_c_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    source = LiveSource("cam", "cam", Camera(1))
    with pytest.raises(KeyboardInterrupt), stopped_by_signals(source):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the same one: a terminal sends it to the whole group
        assert source.is_stopped()
        now += PATIENCE + 1
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second Ctrl-C has to interrupt")


def test_a_stream_that_is_stopped_before_its_first_frame_leaves_nothing(tmp_path: Path) -> None:
    source = LiveSource("cam", "cam", Camera(0, forever=True))
    source.stop()
    with pytest.raises(KeyboardInterrupt):
        run(Tracker(), source, tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_more_tracks_than_step_has_ids_end_a_stream_whole(tmp_path: Path) -> None:
    class Busy(Tracker):
        def step(self, image: Any, stamp_ns: int) -> PanopticFrame:
            if self.count == 10:
                self.next_id = 65_536
            return super().step(image, stamp_ns)

    result = run(Busy(), LiveSource("cam", "cam", Camera(30), lossless=True), tmp_path)
    assert result.frames == 10 and "track 65536 is beyond STEP's 65535" in result.stream.ended
    assert len(tracks_of(tmp_path)["frames"]) == 10


def test_a_bad_frame_at_once_is_a_mistake(tmp_path: Path) -> None:
    class Refusing(Tracker):
        def step(self, image: Any, stamp_ns: int) -> PanopticFrame:
            raise InputError("the image is too small")

    with pytest.raises(InputError, match="too small"):
        run(Refusing(), LiveSource("cam", "cam", Camera(3), lossless=True), tmp_path)
