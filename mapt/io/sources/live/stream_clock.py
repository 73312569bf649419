"""Gives the frames of a stream one rising time, also over a new connection."""

from __future__ import annotations

AHEAD_NS = 10_000_000_000  # a stream's clock that is so far ahead of the arrivals was set anew


class StreamClock:
    """Turns a stream's own times into ns from its first frame.

    A stream's times keep their distances. They are only rebased where they cannot be continued: on
    a new connection, on a step back, and on a jump that the arrivals do not show. The gap is then
    the time that passed between the arrivals of both frames.

    Args:
        interval_ns: the least time between two frames, where nothing tells it.
        paced: frames arrive when they happen; otherwise arrivals say nothing, as in a pipe.
    """

    def __init__(self, interval_ns: int, paced: bool) -> None:
        self._interval = max(1, interval_ns)
        self._paced = paced
        self._offset: int | None = None
        self._last: int | None = None
        self._arrived = 0

    def reconnected(self) -> None:
        """Continue with a connection whose times begin anywhere."""
        self._offset = None

    def stamp(self, source_ns: int | None, arrival_ns: int) -> int:
        """Return the time in ns of the next frame, above that of the one before.

        Args:
            source_ns: the time that the stream gives it; None: it gives none.
            arrival_ns: when it arrived, by a clock that is never set.
        """
        expected = self._expected(arrival_ns)
        if source_ns is None:
            stamp = expected
        else:
            if self._offset is None or self._is_broken(source_ns + self._offset, expected):
                self._offset = expected - source_ns
            stamp = source_ns + self._offset
        self._last = stamp
        self._arrived = arrival_ns
        return stamp

    def _expected(self, arrival_ns: int) -> int:
        """The time of a frame by its arrival."""
        if self._last is None:
            return 0
        passed = arrival_ns - self._arrived if self._paced else self._interval
        return self._last + max(passed, 1)

    def _is_broken(self, stamp: int, expected: int) -> bool:
        if self._last is None:
            return False
        return stamp <= self._last or (self._paced and stamp - expected > AHEAD_NS)
