"""Checks the times of frames, which are whole, increasing nanoseconds."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np

from mapt.errors import shown
from mapt.runtime.errors import StampError

MAX_STAMP = 2**63 - 1


def check_stamp(stamp_ns: SupportsIndex, last_ns: int | None, max_jump: float) -> int:
    """A frame's time as a Python integer.

    Args:
        stamp_ns: any integer type.
        last_ns: time of the last labelled frame; None where there is none.
        max_jump: seconds; more is taken for a damaged stamp or a clock that was set.

    Raises:
        StampError: no whole number within 0..2^63 - 1, not after `last_ns`, or more than `max_jump`
            after it.
    """
    stamp = whole(stamp_ns)
    if not 0 <= stamp <= MAX_STAMP:
        raise StampError(
            f"stamp {shown(stamp_ns)} is no time; give whole nanoseconds within 0..2^63 - 1"
        )
    if last_ns is not None and stamp <= last_ns:
        raise StampError(
            f"stamp {stamp} ns is not after {last_ns} ns; stamps must rise, or call reset()"
        )
    if last_ns is not None and stamp - last_ns > round(max_jump * 1e9):
        ahead = f"{(stamp - last_ns) / 3.6e12:.1f} hours ahead, more than {max_jump:g} s"
        raise StampError(f"stamp {stamp} ns is {ahead}; if the clock was set, call reset()")
    return stamp


def whole(value: SupportsIndex) -> int:
    """A whole number of any integer type; -1 for anything else."""
    try:
        return -1 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        return -1
