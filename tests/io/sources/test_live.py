"""Live sources: drop-oldest, counts, reconnection, ends, and memory that does not grow."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.sources.frame_selection import FrameSelection
from mapt.io.sources.live import source as live
from mapt.io.sources.live.connection import ConnectionLost, Received
from mapt.io.sources.live.frame_queue import FrameQueue
from mapt.io.sources.live.source import WAITING, LiveSource, StreamCounts

SIXTIETH = 16_666_667  # ns


class Payload:
    """What a waiting frame holds; it can be watched."""

    def __init__(self, number: int, size: tuple[int, int]) -> None:
        self.number = number
        self.size = size

    def __call__(self) -> Any:
        return np.full((*self.size, 3), self.number % 256, np.uint8)


class Camera:
    """A connection that gives numbered frames at 60 frames per second by its own clock."""

    fps = 60.0

    def __init__(
        self,
        numbers: range,
        pause: float = 0.0,
        size: tuple[int, int] = (4, 6),
        damaged: int = 0,
        end: Exception | None = None,
    ) -> None:
        self.numbers = numbers
        self.pause = pause
        self.size = size
        self.damaged = 0
        self.closed = False
        self._damaged = damaged
        self._end = end
        self.alive: weakref.WeakSet[Payload] = weakref.WeakSet()

    def frames(self) -> Iterator[Received]:
        for number in self.numbers:
            time.sleep(self.pause)
            payload = Payload(number, self.size)
            self.alive.add(payload)
            self.damaged = self._damaged
            yield Received(10**15 + number * SIXTIETH, payload)
            del payload
        if self._end:
            raise self._end

    def close(self) -> None:
        self.closed = True


class Network:
    """Connections that can be opened one after another; None cannot be opened."""

    def __init__(self, *later: Camera | None) -> None:
        self.later = list(later)
        self.asked = 0

    def __call__(self) -> Camera:
        self.asked += 1
        camera = self.later.pop(0) if self.later else None
        if camera is None:
            raise ConnectionLost("Connection refused")
        return camera


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between connections are short."""
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(live, "LAST_PAUSE", 0.002)


def test_a_camera_that_is_faster_than_the_tracker_loses_its_oldest_frames() -> None:
    camera = Camera(range(300), pause=0.001)
    source = LiveSource("camera0", "camera 0", camera)
    taken = []
    most = 0
    for frame in source:
        time.sleep(0.003)  # the tracker
        taken.append((frame.stem, frame.stamp_ns, int(frame.image[0, 0, 0])))
        gc.collect(0)
        most = max(most, len(camera.alive))
    counts = source.counts
    assert counts.received == 300 and counts.dropped > 0
    assert len(taken) + counts.dropped == 300
    numbers = [int(stem) for stem, _, _ in taken]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 299
    assert [stamp for _, stamp, _ in taken] == [n * SIXTIETH for n in numbers]
    assert [value for _, _, value in taken] == [n % 256 for n in numbers]
    assert most <= WAITING + 4  # those that wait, and one in each hand
    assert camera.closed


def test_a_tracker_that_keeps_up_loses_nothing() -> None:
    handed = threading.Semaphore(1)

    class Waiting(Camera):
        def frames(self) -> Iterator[Received]:
            for received in super().frames():
                assert handed.acquire(timeout=30)
                yield received

    source = LiveSource("camera0", "camera 0", Waiting(range(50)))
    numbers = []
    for frame in source:
        numbers.append(int(frame.stem))
        handed.release()
    assert numbers == list(range(50)) and source.counts == StreamCounts(received=50)


def test_a_pipe_waits_for_the_tracker() -> None:
    source = LiveSource("stdin", "standard input", Camera(range(40)), lossless=True)
    numbers = []
    for frame in source:
        time.sleep(0.001)
        numbers.append(int(frame.stem))
    assert numbers == list(range(40)) and source.counts == StreamCounts(received=40)


@pytest.mark.usefixtures("hurried")
def test_a_lost_connection_is_restored_and_times_go_on() -> None:
    said: list[str] = []
    first = Camera(range(5), damaged=2, end=ConnectionLost("nothing came in time"))
    network = Network(None, None, Camera(range(3), damaged=1), None)
    source = LiveSource("cam", "rtsp://cam/1", first, network, patience=0.2, announce=said.append)
    frames = [(frame.stem, frame.stamp_ns) for frame in slowly(source)]
    assert [stem for stem, _ in frames] == [f"{n:06d}" for n in range(8)]
    stamps = [stamp for _, stamp in frames]
    assert stamps == sorted(set(stamps))
    assert stamps[:5] == [n * SIXTIETH for n in range(5)]
    assert np.diff(stamps[5:]).tolist() == [SIXTIETH, SIXTIETH]
    counts = source.counts
    assert (counts.received, counts.damaged, counts.reconnections) == (8, 3, 1)
    assert counts.ended.startswith("no frame for ") and "Connection refused" in counts.ended
    assert said[:2] == [
        "rtsp://cam/1: connection lost (nothing came in time); connecting again",
        "rtsp://cam/1: connected again",
    ]
    assert first.closed and ", connected again 1 time; it ended: " in counts.told()


def slowly(source: LiveSource) -> Iterator[Any]:
    """Frames of a source that is fast enough to fill the queue: none is dropped here."""
    source._queue = FrameQueue(10_000, lossless=True)
    yield from source


@pytest.mark.usefixtures("hurried")
def test_a_server_that_accepts_and_sends_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "LAST_PAUSE", 0.02)
    network = Network(*(Camera(range(0)) for _ in range(1000)))
    source = LiveSource("cam", "cam", Camera(range(2)), network, patience=0.3)
    assert len(list(source)) == 2
    assert source.counts.reconnections == 0 and source.counts.ended
    assert 2 <= network.asked < 100  # pauses grow, so a dead server is not flooded


def test_without_patience_the_end_is_the_end() -> None:
    network = Network(Camera(range(3)))
    source = LiveSource("cam", "cam", Camera(range(3)), network, patience=0)
    assert len(list(source)) == 3 and network.asked == 0
    assert source.counts.told() == "3 frames received; it ended: closed by the other side"


def test_a_stream_without_a_frame_is_a_mistake() -> None:
    camera = Camera(range(0), end=ConnectionLost("Invalid data found"))
    with pytest.raises(InputError, match=r"cam: gave no frame \(Invalid data found\)"):
        list(LiveSource("cam", "cam", camera))


@pytest.mark.usefixtures("hurried")
def test_another_size_ends_the_source_and_says_so() -> None:
    source = LiveSource("cam", "cam", Camera(range(3)), Network(Camera(range(3), size=(8, 12))))
    assert len(list(slowly(source))) == 3
    assert source.counts.ended == "frames are 12x8 now, before 6x4"


def test_stop_ends_a_source_that_gives_nothing() -> None:
    released = threading.Event()

    class Silent(Camera):
        def frames(self) -> Iterator[Received]:
            yield from super().frames()
            released.wait(30)

    source = LiveSource("cam", "cam", Silent(range(1)))
    frames = iter(source)
    assert next(frames).stem == "000000"
    threading.Timer(0.05, source.stop).start()
    assert next(frames, None) is None
    released.set()


def test_what_breaks_in_the_reading_thread_is_raised_in_the_tracking_one() -> None:
    source = LiveSource("cam", "cam", Camera(range(2), end=ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(source)


def test_strides_skip_before_the_queue_and_most_counts_what_is_tracked() -> None:
    selection = FrameSelection(start_ns=2 * SIXTIETH, stride=5, most=3)
    source = LiveSource("cam", "cam", Camera(range(100)), selection=selection)
    frames = [(int(f.stem), f.stamp_ns) for f in slowly(source)]
    assert frames == [(n, n * SIXTIETH) for n in (2, 7, 12)]
    assert source.counts.dropped == 0


def test_memory_does_not_grow_with_what_is_dropped() -> None:
    queue = FrameQueue[int](3, lossless=False)
    for number in range(1000):
        queue.put(number)
    assert queue.dropped == 997
    queue.end()
    found = list[int]()
    while (item := queue.get()) is not None:
        found.append(item)
    assert found == [997, 998, 999]
