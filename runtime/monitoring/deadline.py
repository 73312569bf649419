"""Chooses the heads that fit before the deadline, from their recent cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Literal

from mapt.contract import Thresholds
from mapt.errors import InputError, shown

Head = Literal["appearance", "motion"]
ORDER: tuple[Head, ...] = ("appearance", "motion")  # what is left out first
RISE = 0.5  # weight of a measurement above and below the estimate
FALL = 0.25
OUTLIER = 2.0  # a measurement counts as at most this many times the estimate
FORGET = 0.8  # of the estimate of a head that was left out, so that it is tried again


def check_deadline(deadline_ms: object) -> float | None:
    """A number of milliseconds above 0, or None.

    Raises:
        InputError: it is neither.
    """
    if deadline_ms is None:
        return None
    try:
        number = isinstance(deadline_ms, Real) and not isinstance(deadline_ms, bool)
        ms = float(deadline_ms) if number else math.nan  # type: ignore[arg-type]
    except OverflowError:
        ms = math.inf
    if not 0 < ms < math.inf:
        raise InputError(f"deadline_ms is {shown(deadline_ms)}; give milliseconds above 0, or None")
    return ms


class Estimates:
    """Running milliseconds: of a call of each head, and of the rest of the step after them.

    Args:
        reserve: estimates are multiplied by this before they are compared with the time that is
            left.
    """

    def __init__(self, reserve: float = Thresholds.deadline_reserve) -> None:
        self.reserve = reserve
        self.ms: dict[str, float] = {}
        self._lowered: set[str] = set()  # by `forget`, since the last measurement

    def learn(self, name: str, ms: float) -> None:
        """Move an estimate towards a measurement.

        The first measurement after the head was left out replaces the estimate.
        """
        old = ms if name in self._lowered else self.ms.get(name, ms)
        self._lowered.discard(name)
        self.ms[name] = old + (RISE if ms > old else FALL) * (min(ms, OUTLIER * old) - old)

    def forget(self, name: str) -> None:
        """Lower the estimate of a head that was left out, so that it is tried again."""
        if name in self.ms:
            self.ms[name] *= FORGET
            self._lowered.add(name)

    def learn_from(
        self, ms: Mapping[str, float], calls: Mapping[Head, int], degraded: tuple[Head, ...]
    ) -> None:
        """Learn from the stages of a step.

        The heads ran `calls` times, and those in `degraded` were left out.
        """
        for head, number in calls.items():
            if number:
                self.learn(head, ms[head] / number)
        for head in degraded:
            self.forget(head)
        self.learn("rest", ms["association"] + ms["output"])

    def left_out(self, calls: Mapping[Head, int], left_ms: float | None) -> tuple[Head, ...]:
        """Choose the heads to leave out, because they do not fit into the time that is left.

        They are returned in the order in which they are given up.

        Args:
            calls: how often each head would run.
            left_ms: until the deadline; None: there is none.
        """
        if left_ms is None:
            return ()
        rest = self.ms.get("rest", 0.0)
        out: list[Head] = []
        for head in ORDER:
            kept = [h for h in ORDER if h not in out]
            need = self.reserve * (rest + sum(calls[h] * self.ms.get(h, 0.0) for h in kept))
            if need <= left_ms:
                break
            out.append(head)
        return tuple(h for h in out if calls[h])
