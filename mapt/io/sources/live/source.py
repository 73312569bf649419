"""Tracks what never waits: cameras and streams, read by a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from mapt.errors import InputError
from mapt.io.sources.frame import Frame
from mapt.io.sources.frame_selection import ALL_FRAMES, FrameSelection
from mapt.io.sources.live.connection import Connection, ConnectionLost, Received
from mapt.io.sources.live.frame_queue import TICK, FrameQueue
from mapt.io.sources.live.stream_clock import StreamClock

WAITING = 4  # frames between the reading thread and the tracker: what bounds memory and delay
READER = "read "  # how the names of reading threads begin
NOMINAL_FPS = 25.0  # of a source that announces none; for the annotated video's header alone
FIRST_PAUSE = 0.25  # seconds before an attempt to connect again; it doubles up to the last
LAST_PAUSE = 4.0
STEADY = 10.0  # seconds after which a connection counts as good, and the pauses are short again
FAREWELL = 1.0  # seconds in which the reading thread may close its connection


def reads() -> bool:
    """Tell whether a thread still reads a stream, or waits for it."""
    return any(t.daemon and t.name.startswith(READER) for t in threading.enumerate())


@dataclass
class StreamCounts:
    """What became of the frames of a stream.

    Attributes:
        received: frames that arrived and could be decoded.
        dropped: frames that the tracker was too slow for.
        damaged: frames that could not be decoded.
        reconnections: how often the connection was lost and restored.
        ended: why the stream ended; empty where it was stopped.
    """

    received: int = 0
    dropped: int = 0
    damaged: int = 0
    reconnections: int = 0
    ended: str = ""

    def told(self) -> str:
        """Say it in one line."""
        parts = [f"{self.received} frames received"]
        if self.dropped:
            parts.append(f"{self.dropped} dropped because tracking is slower than the source")
        if self.damaged:
            parts.append(f"{self.damaged} damaged")
        if self.reconnections:
            parts.append(
                f"connected again {self.reconnections} time{'s'[: self.reconnections > 1]}"
            )
        return ", ".join(parts) + (f"; it ended: {self.ended}" if self.ended else "")


@dataclass(frozen=True)
class _Item:
    number: int
    stamp_ns: int
    received: Received


class LiveSource:
    """A camera or stream whose frames come at their own pace.

    A thread reads and decodes. When the tracker is slower, the oldest waiting frame is dropped and
    counted. A lost connection is opened again. Frames are numbered as they arrive, so dropped ones
    leave a gap in the names.

    Args:
        name: of the sequence.
        shown: how messages call it, without its password.
        first: the open connection.
        connect: opens another one or raises `ConnectionLost`; None: an end is the end.
        patience: seconds without a frame after which a lost connection is given up.
        lossless: it waits for the tracker, so nothing is dropped, and arrivals are no times.
        selection: which frames are wanted.
        announce: is told in one line what happens to the connection.
    """

    inputs: frozenset[Path] = frozenset()
    stems: frozenset[str] = frozenset()
    assumed = ""

    def __init__(
        self,
        name: str,
        shown: str,
        first: Connection,
        connect: Callable[[], Connection] | None = None,
        *,
        patience: float = 60.0,
        lossless: bool = False,
        selection: FrameSelection = ALL_FRAMES,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.shown = shown
        self.fps = first.fps or NOMINAL_FPS
        self._counts = StreamCounts()
        self._first = first
        self._connect = connect
        self._patience = patience
        self.lossless = lossless
        self._selection = selection
        self._announce = announce
        self._queue = FrameQueue[_Item](WAITING, lossless)
        self._arrived_ns = 0
        self._pause = FIRST_PAUSE
        self._is_lost = False  # since a connection ended, until another one gives a frame

    def __len__(self) -> int:
        """Return 0, because nobody knows the number of frames."""
        return 0

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """(height, width) of the frames as announced, before one is read; None: not announced."""
        return self._first.size

    @property
    def counts(self) -> StreamCounts:
        """What became of the frames so far."""
        return replace(self._counts, dropped=self._queue.dropped)

    def end(self, reason: str) -> None:
        """End the frames, and say why."""
        self._queue.stop()
        self._counts.ended = reason

    def is_stopped(self) -> bool:
        """Whether no more frames are wanted."""
        return self._queue.is_stopped()

    def stop(self) -> None:
        """End the frames; a signal's handler may call this."""
        self._queue.stop()

    def __iter__(self) -> Iterator[Frame]:
        """The frames as they arrive, until `stop`, the selection's end, or a lost connection.

        A frame of another size ends them too, because outputs have one size.

        Raises:
            InputError: it ended without a frame.
        """
        reader = threading.Thread(target=self._read, name=READER + self.name, daemon=True)
        reader.start()
        shape: tuple[int, ...] | None = None
        taken = 0
        try:
            while taken != self._selection.most and (item := self._queue.get()) is not None:
                image = item.received.convert()
                if shape is not None and image.shape != shape:
                    self.end(
                        f"frames are {image.shape[1]}x{image.shape[0]} now, before"
                        f" {shape[1]}x{shape[0]}"
                    )
                    return
                shape = image.shape
                yield Frame(f"{item.number:06d}", item.stamp_ns, image)
                taken += 1
            if taken == 0 and not self._queue.is_stopped():
                reason = self._counts.ended or "none was asked for, or none could be decoded"
                raise InputError(f"{self.shown}: gave no frame ({reason})")
        finally:
            self._queue.stop()
            reader.join(FAREWELL)

    def _read(self) -> None:
        """Fill the queue, in the reading thread."""
        wanted = replace(self._selection, most=None)  # dropped frames are none of them
        error: BaseException | None = None
        try:
            with closing(self._receive()) as frames:
                for number, stamp, received in wanted.apply(frames):
                    self._queue.put(_Item(number, stamp, received))
        except BaseException as unexpected:
            error = unexpected
        self._queue.end(error)

    def _receive(self) -> Generator[tuple[int, Received], None, None]:
        """The frames of one connection after another, with rising times."""
        clock = StreamClock(round(1e9 / self.fps), paced=not self.lossless)
        connection: Connection | None = self._first
        self._arrived_ns = time.monotonic_ns()
        while connection is not None:
            opened_ns = time.monotonic_ns()
            damaged = self._counts.damaged
            reason = "" if self._connect is None else "closed by the other side"
            try:
                for received in connection.frames():
                    if self._queue.is_stopped():
                        return
                    self._note_arrival()
                    yield clock.stamp(received.source_ns, self._arrived_ns), received
            except ConnectionLost as lost:
                reason = str(lost)
            finally:
                self._counts.damaged = damaged + connection.damaged
                connection.close()
            if self._arrived_ns - opened_ns > STEADY * 1e9:
                self._pause = FIRST_PAUSE
            clock.reconnected()
            connection = self._reconnect(reason)

    def _note_arrival(self) -> None:
        """Count a frame, and with the first one of a new connection the connection."""
        if self._is_lost:
            self._is_lost = False
            self._counts.reconnections += 1
            self._announce(f"{self.shown}: connected again")
        self._arrived_ns = time.monotonic_ns()
        self._counts.received += 1

    def _reconnect(self, reason: str) -> Connection | None:
        """Open a new connection; None where that is not wanted or does not succeed in time."""
        if self._queue.is_stopped():
            return None
        if self._connect is None or self._patience <= 0:
            self._counts.ended = reason
            return None
        if not self._is_lost:
            self._is_lost = True
            self._announce(f"{self.shown}: connection lost ({reason}); connecting again")
        while not self._queue.is_stopped():
            waited = (time.monotonic_ns() - self._arrived_ns) / 1e9
            if waited >= self._patience:
                self._counts.ended = f"no frame for {waited:.0f} s ({reason})"
                return None
            self._wait(min(self._pause, self._patience - waited))
            self._pause = min(2 * self._pause, LAST_PAUSE)
            try:
                return self._connect()
            except ConnectionLost as lost:
                reason = str(lost)
        return None

    def _wait(self, seconds: float) -> None:
        """Wait, but not when stopped."""
        end = time.monotonic() + seconds
        while not self._queue.is_stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK))
