"""Reads network streams and pipes with PyAV, as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from mapt.errors import InputError
from mapt.io.sources.live.connection import ConnectionLost, Received
from mapt.io.video.container import NOTHING_ELSE
from mapt.io.video.reader import frame_time, upright

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "tcp", "udp")
OPEN_SECONDS = 10.0
READ_SECONDS = 10.0  # without data after which a connection counts as lost
OPTIONS = {
    "rtsp_flags": "prefer_tcp",  # UDP loses packets, and is tried where a camera has nothing else
    "multiple_requests": "0",
}


class AvConnection:
    """A stream that PyAV has opened; see `Connection`.

    Args:
        container: with at least one video stream.
        fps: frames per second in place of the stream's times; None: those.

    Attributes:
        clock: the stream has times.
    """

    def __init__(self, container: Any, fps: float | None = None) -> None:
        from av.format import Flags

        self._container = container
        self._stream = container.streams.video[0]
        # Decoding several frames at once would delay them by as many.
        self._stream.thread_type = "SLICE"
        self.clock = not container.format.flags & Flags.no_timestamps.value
        rate = self._stream.average_rate or self._stream.guessed_rate
        self._given_fps = fps
        self.fps = fps or self._announced(rate)
        height = self._stream.height or 0
        width = self._stream.width or 0
        self.size = (height, width) if height and width else None
        self.damaged = 0

    def _announced(self, rate: Fraction | None) -> float:
        return float(rate) if rate and self.clock and 0 < rate < 1000 else 0.0

    @property
    def is_finite(self) -> bool:
        """Whether the stream states its length, as a file on a server does."""
        return (self._container.duration or 0) > 0 or self._container.size > 0

    def frames(self) -> Iterator[Received]:
        """See `Connection.frames`; damaged frames are left out and counted."""
        from av.error import FFmpegError

        count = 0
        damaged = self.damaged
        waiting_since = time.monotonic()  # for a good frame, not counting how long one is used
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (FFmpegError, ValueError) as error:
                raise ConnectionLost(reason_of(error)) from None
            if packet is None:
                return
            try:
                decoded = packet.decode()
            except (FFmpegError, ValueError):
                self.damaged += 1
                decoded = []
            if self.damaged > damaged and time.monotonic() - waiting_since > READ_SECONDS:
                raise ConnectionLost("nothing of what comes can be decoded")
            for frame in decoded:
                if frame.is_corrupt:
                    self.damaged += 1
                    continue
                yield Received(self._stamp(frame, count), partial(upright, frame))
                count += 1
                damaged = self.damaged
                waiting_since = time.monotonic()

    def _stamp(self, frame: Any, count: int) -> int | None:
        """The time in ns of a frame, the stream's or by its number."""
        if self._given_fps is not None:
            return round(count * 1e9 / self._given_fps)
        seconds = frame_time(frame) if self.clock else None
        return None if seconds is None else round(seconds * 1_000_000_000)

    def close(self) -> None:
        """Close the connection."""
        from av.error import FFmpegError

        try:
            self._container.close()
        except (OSError, ValueError, FFmpegError):
            return  # it was lost


class Readable(Protocol):
    """What has bytes that arrive over time."""

    def read(self, size: int) -> bytes:
        """Return some bytes, none at the end."""
        ...


def open_av(place: str | Readable, fps: float | None = None) -> AvConnection:
    """Open a stream.

    Args:
        place: an address with one of `SCHEMES`, or what gives the bytes.
        fps: see `AvConnection`.

    Raises:
        ConnectionLost: it cannot be opened, or has no video in it.
        InputError: PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise InputError("streams need PyAV; pip install 'mapt[video]'") from None
    av.logging.set_level(av.logging.PANIC)  # what it has to say comes as an exception
    try:
        if isinstance(place, str):
            options = OPTIONS if urlsplit(place).scheme.startswith("rtsp") else {}
            container: Any = av.open(place, options=options, timeout=(OPEN_SECONDS, READ_SECONDS))
        else:
            container = av.open(place, "r", options=NOTHING_ELSE)
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise ConnectionLost(reason_of(error)) from None
    if not container.streams.video:
        container.close()
        raise ConnectionLost("has no video in it")
    return AvConnection(container, fps)


def reason_of(error: Exception) -> str:
    """Say why FFmpeg failed, without the address, which may hold a password."""
    from av.error import ExitError

    if isinstance(error, ExitError):
        return "nothing came in time"
    return str(getattr(error, "strerror", None) or type(error).__name__)
