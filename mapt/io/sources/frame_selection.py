"""Chooses frames of a source by time and number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mapt.errors import InputError

T = TypeVar("T")
CLOCK = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9}(?:\.\d+)?)")  # hh:mm:ss or mm:ss


@dataclass(frozen=True)
class FrameSelection:
    """Which frames of a source are tracked.

    Attributes:
        start_ns: time from the source's first frame, of the first frame that is wanted.
        end_ns: time from which no frame is wanted; None: to the end.
        stride: every how many frames one is wanted, counted from the first.
        most: how many frames at most; None: all.
    """

    start_ns: int = 0
    end_ns: int | None = None
    stride: int = 1
    most: int | None = None

    def apply(self, timed: Iterable[tuple[int, T]]) -> Iterator[tuple[int, int, T]]:
        """Yield (number in the source, time in ns, content) of the frames that are wanted.

        Args:
            timed: every frame of the source, as (time in ns from the first, content).
        """
        inside = 0
        taken = 0
        for number, (stamp, content) in enumerate(timed):
            if stamp < self.start_ns:
                continue
            if self.end_ns is not None and stamp >= self.end_ns:
                return
            if inside % self.stride == 0:
                yield number, stamp, content
                taken += 1
                if taken == self.most:
                    return
            inside += 1


ALL_FRAMES = FrameSelection()


def selection_of(
    start: str | None, end: str | None, stride: int = 1, most: int | None = None
) -> FrameSelection:
    """Return the selection of the command line's options.

    Raises:
        InputError: a time that is none, or an end that is not after the start.
    """
    start_ns = 0 if start is None else parse_time(start, "--start")
    end_ns = None if end is None else parse_time(end, "--end")
    if end_ns is not None and end_ns <= start_ns:
        raise InputError(f"--end {end}: is not after --start {start or 0}; give a later time")
    return FrameSelection(start_ns, end_ns, stride, most)


def parse_time(text: str, option: str) -> int:
    """Return a time in ns that is written in seconds, as mm:ss or as hh:mm:ss.

    Raises:
        InputError: it is neither.
    """
    clock = CLOCK.fullmatch(text)
    if clock:
        hours = int(clock[1] or 0)
        minutes = int(clock[2])
        seconds = float(clock[3])
        if seconds < 60 and (minutes < 60 or clock[1] is None):
            return round((3600 * hours + 60 * minutes + seconds) * 1e9)
    if re.fullmatch(r"\d{1,12}(?:\.\d+)?", text):
        return round(float(text) * 1e9)
    raise InputError(f"{option} {text}: is no time; give seconds as 12.5, or hh:mm:ss")
