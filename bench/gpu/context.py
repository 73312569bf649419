"""The context that a check is given, and the result that it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Device = Literal["cpu", "cuda"]


class Skip(Exception):
    """A check cannot run here; the text says why."""


@dataclass(frozen=True)
class Context:
    """The context that a check is given.

    Attributes:
        device: where to compute: "cuda", or "cpu" where a check needs no GPU or is rehearsed.
        small: sizes that take seconds on a CPU, wherever no GPU is used; speeds then mean nothing.
        folder: scratch that all checks of a run share.
    """

    device: Device
    small: bool
    folder: Path

    def size(self) -> tuple[int, int]:
        """Network input (height, width) of the checks on frames, pixels."""
        return (64, 128) if self.small else (384, 1248)

    def rounds(self) -> int:
        """How often a measured call is repeated."""
        return 1 if self.small else 20


@dataclass(frozen=True)
class Result:
    """The result of a check.

    Attributes:
        line: the finding in one line.
        values: every number behind it, as JSON can hold it.
        faults: what is not as it should be, a line each; none: passed.
        rows: lines of a table, shown where the screen has room.
    """

    line: str
    values: Mapping[str, object] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
