"""Rounds, a frame of every camera each, taken until there are enough to measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from mapt.bench.gpu.context import Context
from mapt.contract import SUBGRAPHS

ROUNDS = 1000  # of all cameras, the worst of which is told
SECONDS = 6.0  # that a kind of bundle may take for them
WARM = 20  # rounds before, in which graphs are captured
PICTURES = 40  # of the street, shown again and again
Taken = TypeVar("Taken")


HEADER = (
    f"{'bundle, images':32} {'ms':>6} {'worst':>6} {'of':>5} {'share':>5} {'MB':>6} {'waits':>5}"
    "  longest stages; captured"
)


def row(key: str, values: Mapping[str, Any], share: str, note: str) -> str:
    """A line below `HEADER`.

    Args:
        key: of the bundle.
        values: what was measured of it.
        share: of the networks in the time.
        note: what the last column says first.
    """
    captured = f"{len(values['captured'])} of {len(SUBGRAPHS)}"
    return (
        f"{key:32} {values['ms']:6.2f} {values['worst_ms']:6.2f} {values['rounds']:5} {share:>5}"
        f" {values['megabytes']:6.2f} {values['waits']:5.1f}  {note}; {captured}"
    )


def pictures(context: Context) -> int:
    """How many pictures of the street are shown again and again."""
    return 4 if context.small else PICTURES


def enough(some: Iterator[Taken], context: Context) -> list[Taken]:
    """The rounds of a measurement, behind those in which graphs are captured."""
    few = islice(some, WARM + ROUNDS)
    return timed(few, 2 if context.small else WARM, 0.0 if context.small else SECONDS)


def timed(
    some: Iterator[Taken],
    warm: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[Taken]:
    """The rounds behind the first `warm` ones, until `seconds` are over; at least one."""
    for _ in islice(some, warm):
        pass
    ends = clock() + seconds
    kept = []
    for taken in some:
        kept.append(taken)
        if clock() >= ends:
            break
    return kept
