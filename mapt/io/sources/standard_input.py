"""Reads a video from standard input."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable

from mapt.io.sources.live.av_connection import AvConnection, open_av
from mapt.io.sources.live.connection import ConnectionLost

TICK = 0.2  # seconds after which a wait for bytes looks whether it is still wanted


class PipeReader:
    """A pipe's bytes for PyAV; a wait for them can be ended.

    Args:
        handle: the file descriptor.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.is_wanted: Callable[[], bool] = lambda: True

    def read(self, size: int) -> bytes:
        """Return some bytes; none at the end, or when no more are wanted."""
        while self.is_wanted():
            ready, _, _ = select.select([self._handle], [], [], TICK)
            if ready:
                return os.read(self._handle, size)
        return b""


def open_standard_input(fps: float | None) -> tuple[AvConnection, PipeReader]:
    """Open the video that is piped into this process.

    Args:
        fps: frames per second in place of its own times.

    Raises:
        ConnectionLost: a terminal, no video, or one that needs seeking or a rate.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise ConnectionLost("it is closed; pipe a video in")
    handle = sys.stdin.fileno()
    if os.isatty(handle):
        raise ConnectionLost("it is a terminal; pipe a video in")
    reader = PipeReader(handle)
    try:
        connection = open_av(reader, fps)
    except ConnectionLost as lost:
        raise ConnectionLost(
            f"{lost}; pipe MPEG-TS, Matroska or WebM in, or give an MP4 as a file, whose index may"
            " come last"
        ) from None
    if not connection.clock and fps is None:
        connection.close()
        raise ConnectionLost("it has no times; give its frames per second with --fps")
    return connection, reader
