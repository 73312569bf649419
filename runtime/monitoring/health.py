"""The tracker's health, as an immutable value that any thread can read at any time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, NoReturn, TypeVar

from mapt.errors import InputError
from mapt.runtime.errors import OutputError
from mapt.runtime.frame import PanopticFrame

Value = TypeVar("Value")


class ReadOnly(dict[str, Value]):
    """A mapping for other threads to read.

    It cannot be changed, but it can be copied, pickled and sent.
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("health is for reading; copy it with dict() to change it")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[ReadOnly[Value]], tuple[dict[str, Value]]]:
        """Copied and pickled as a whole: unpickling would fill it item by item."""
        return type(self), (dict(self),)


class Status(str, Enum):
    """The tracker's status, from good to bad; `Health.reason` explains it.

    A member is written as its value.
    """

    __str__ = str.__str__  # as StrEnum has it, which came with Python 3.11

    OK = "OK"  # the last frame was labelled in full and in time
    DEGRADED = "DEGRADED"  # labelled, but a head was left out, or the output is suspicious
    LATE = "LATE"  # labelled after its deadline, or the running step is already beyond it
    # no frame yet, no step for longer than masks can be carried, or the last one was refused
    NO_INPUT = "NO_INPUT"
    INVALID = (  # the image shows nothing or is not a new one, or an output broke its contract
        "INVALID"
    )
    FAULT = "FAULT"  # the backend raised


@dataclass(frozen=True)
class Health:
    """The tracker's health.

    Attributes:
        status: the worst that holds now.
        reason: one line; empty where the status is OK.
        alarms: what the monitor saw in the last labelled frame.
        degraded: heads left out of the last labelled frame.
        frames: labelled so far.
        refused: frames refused for their image or stamp.
        failed: frames dropped because the backend raised or its output was invalid.
        stamp_ns: of the last labelled frame; None before the first.
        age_ms: since the last labelled frame came out; infinite before the first.
        busy_ms: how long the running step has been at it, 0 between steps.
        timings_ms: of the last labelled frame by stage; `frame` is all of it.
        providers: what runs each subgraph, as the backend says.
    """

    status: Status = Status.NO_INPUT
    reason: str = "no frame yet"
    alarms: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    frames: int = 0
    refused: int = 0
    failed: int = 0
    stamp_ns: int | None = None
    age_ms: float = float("inf")
    busy_ms: float = 0.0
    timings_ms: Mapping[str, float] = field(default_factory=ReadOnly)
    providers: Mapping[str, str] = field(default_factory=ReadOnly)

    def to_dict(self) -> dict[str, object]:
        """Return plain values that can be published.

        `age_ms` is None before the first frame, because JSON has no infinity.
        """
        plain: dict[str, object] = {f.name: getattr(self, f.name) for f in fields(self)}
        age = self.age_ms if math.isfinite(self.age_ms) else None
        mappings = {"timings_ms": dict(self.timings_ms), "providers": dict(self.providers)}
        return {**plain, "status": self.status.value, "age_ms": age, **mappings}


@dataclass(frozen=True)
class _Running:
    since: float
    deadline_ms: float | None


class HealthRecord:
    """A record that the stepping thread writes and any thread can read.

    Every change is one assignment of an immutable value.

    Args:
        silence_s: seconds without a step that count as no input.
        now: a clock in seconds.
        providers: what runs each subgraph.
    """

    def __init__(
        self,
        silence_s: float,
        now: Callable[[], float] = time.monotonic,
        providers: Mapping[str, str] | None = None,
    ) -> None:
        self.silence_s = silence_s
        self.now = now
        self.providers = ReadOnly(dict(providers or {}))
        # And when the last labelled frame came out, and when the last step ended, however it did.
        self._last: tuple[Health, float | None, float | None] = Health(), None, None
        self._running: _Running | None = None

    def begin(self, waited_ms: float = 0.0) -> None:
        """Record that a step starts, for which the caller has waited so long already."""
        self._running = _Running(self.now() - waited_ms / 1e3, None)

    def expect(self, deadline_ms: float | None) -> None:
        """Set the deadline of the running step, in milliseconds from its start."""
        if self._running:
            self._running = replace(self._running, deadline_ms=deadline_ms)

    def labelled(self, frame: PanopticFrame) -> None:
        """Record that a step returned a frame."""
        last = self._last[0]
        running = self._running
        now = self.now()
        took = (now - running.since) * 1e3 if running else 0.0
        deadline = running.deadline_ms if running else None
        status, reason = _judge(frame, took, deadline)
        health = Health(
            status,
            reason,
            frame.alarms,
            frame.degraded,
            last.frames + 1,
            last.refused,
            last.failed,
            frame.stamp_ns,
            timings_ms=ReadOnly(dict(frame.timings_ms)),
        )
        self._last = (health, now, now)
        self._running = None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Record what is raised inside, as the caller's mistake or as a failure."""
        try:
            yield
        except InputError as error:
            self.refused(error)
            raise
        except BaseException as error:
            self.failed(error, Status.INVALID if isinstance(error, OutputError) else Status.FAULT)
            raise

    def refused(self, error: Exception) -> None:
        """Record that the caller's image or stamp was refused."""
        last = self._last[0]
        self._end(
            replace(last, status=Status.NO_INPUT, reason=str(error), refused=last.refused + 1)
        )

    def failed(self, error: BaseException, status: Status) -> None:
        """Record that a step failed."""
        last = self._last[0]
        self._end(replace(last, status=status, reason=str(error), failed=last.failed + 1))

    def _end(self, health: Health) -> None:
        self._last = (health, self._last[1], self.now())
        self._running = None

    def read(self) -> Health:
        """Return the current health, without waiting."""
        health, at, ended = self._last
        running = self._running
        now = self.now()
        age = float("inf") if at is None else (now - at) * 1e3
        busy = (now - running.since) * 1e3 if running else 0.0
        health = replace(health, age_ms=age, busy_ms=busy, providers=self.providers)
        if ended is not None and now - ended > self.silence_s:
            before = f"; before that {health.reason}" if health.reason else ""
            health = replace(
                health, status=Status.NO_INPUT, reason=f"no frame for {now - ended:.1f} s{before}"
            )
        if running and running.deadline_ms is not None and busy > running.deadline_ms:
            reason = f"the running step has taken {busy:.0f} ms of {running.deadline_ms:g}"
            if health.status in (Status.OK, Status.DEGRADED, Status.LATE):
                health = replace(health, status=Status.LATE, reason=reason)
            else:
                health = replace(health, reason=f"{health.reason}; {reason}")
        return health


def _judge(frame: PanopticFrame, took: float, deadline_ms: float | None) -> tuple[Status, str]:
    if "blind" in frame.alarms:
        return Status.INVALID, "the image is of one colour; identities were left as they are"
    if "frozen" in frame.alarms:
        return Status.INVALID, "the image is the one before; check the camera"
    if deadline_ms is not None and took > deadline_ms:
        return Status.LATE, f"the last frame took {took:.0f} ms of {deadline_ms:g}"
    if frame.degraded:
        return Status.DEGRADED, f"left out for the deadline: {', '.join(frame.degraded)}"
    if frame.alarms:
        return Status.DEGRADED, f"the output is suspicious: {', '.join(frame.alarms)}"
    return Status.OK, ""
