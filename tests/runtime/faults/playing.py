"""A tracker in the middle of a street, to which faults happen."""

import zlib
from collections.abc import Callable
from typing import Any

from mapt.runtime import (
    PanopticFrame,
    PanopticTracker,
)

Make = Callable[..., Any]
PERIOD = 100_000_000  # ns
HOUR = 3600 * 10**9


def told(frame: PanopticFrame) -> tuple[Any, ...]:
    """All of a frame but its timings, to be compared."""
    pixels = zlib.crc32(frame.semantic.tobytes()), zlib.crc32(frame.instance.tobytes())
    return (
        frame.tracks,
        frame.decisions,
        frame.stamp_ns,
        frame.overflow,
        frame.degraded,
        frame.alarms,
        *pixels,
    )


def ids(frame: PanopticFrame) -> list[int]:
    return [track.id for track in frame.tracks if track.lost == 0]


class Playing:
    """A tracker at frame 2 of a street, and what it should say from there on."""

    def __init__(self, backend: Any, picture: Make) -> None:
        self.backend = backend
        self.picture = picture
        undisturbed = PanopticTracker(backend)
        self.expected = [told(undisturbed.step(picture(n), n * PERIOD)) for n in range(6)]
        self.tracker = PanopticTracker(backend)
        for number in range(2):
            assert (
                told(self.tracker.step(picture(number), number * PERIOD)) == self.expected[number]
            )
        self.before = self.tracker.save_state()

    def goes_on(self) -> None:
        """Nothing changed, to the last bit, and the next frames are those of an undisturbed run."""
        assert self.tracker.save_state() == self.before
        for number in range(2, 6):
            assert (
                told(self.tracker.step(self.picture(number), number * PERIOD))
                == self.expected[number]
            )
