"""Lets Ctrl-C and SIGTERM stop a run between two steps."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds in which another Ctrl-C counts as the first one. The terminal sends it to all processes of
# its group, and one of them may send it on.
PATIENCE = 1.0


class WaitEnded(BaseException):
    """A signal ended a wait for data."""


class StopRequest:
    """A context in which Ctrl-C and SIGTERM set `requested` instead of ending the process.

    A second Ctrl-C, more than `PATIENCE` seconds later, raises KeyboardInterrupt at once. A second
    SIGTERM does not, because Slurm and torchrun both send one. Outside the main thread, Python
    allows no signal handlers, so the context has no effect there.

    Attributes:
        requested: whether a signal came.
    """

    def __init__(self) -> None:
        self.requested = False
        self._since = 0.0
        self._waiting = False
        self._previous: list[tuple[signal.Signals, object]] = []

    def __enter__(self) -> StopRequest:
        """Install the signal handlers."""
        if threading.current_thread() is threading.main_thread():
            self._previous = [(number, signal.signal(number, self._handle)) for number in _SIGNALS]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._previous:
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextmanager
    def ends_wait(self) -> Iterator[None]:
        """Let a signal raise `WaitEnded` inside this context.

        Use it around a wait for data that may never come, and in which no work can be lost.

        Raises:
            WaitEnded: a signal came before or inside the context.
        """
        self._waiting = True
        try:
            if self.requested:
                raise WaitEnded
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested:
            self.requested = True
            self._since = now
        elif number == signal.SIGINT and now - self._since > PATIENCE:
            raise KeyboardInterrupt
        if self._waiting:
            raise WaitEnded
