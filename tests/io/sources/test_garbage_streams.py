"""Streams that go on and on with nothing that can be decoded."""

from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from mapt.io.sources.live import av_connection
from mapt.io.sources.live.av_connection import AvConnection
from mapt.io.sources.live.connection import ConnectionLost
from mapt.io.video.reader import _seconds


class Garbage:
    """A container of endless packets that no decoder takes."""

    size = duration = 0
    format = SimpleNamespace(flags=0)

    def __init__(self) -> None:
        video = SimpleNamespace(average_rate=Fraction(10), guessed_rate=None, height=4, width=4)
        self.streams = SimpleNamespace(video=[video])

    def demux(self, stream: Any) -> Iterator["Garbage"]:
        while True:
            yield self

    def decode(self) -> list[Any]:
        raise ValueError("is no frame")


def test_endless_garbage_counts_as_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av_connection, "READ_SECONDS", 0.05)
    connection = AvConnection(Garbage())
    with pytest.raises(ConnectionLost, match="can be decoded"):
        next(connection.frames())
    assert connection.damaged > 0


def test_a_length_beyond_all_numbers_is_none() -> None:
    stream = SimpleNamespace(duration=None, metadata={"DURATION": f"{'9' * 400}:00:00.0"})
    assert _seconds(SimpleNamespace(duration=None), stream) is None
