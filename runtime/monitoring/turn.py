"""Lets one thread at a time into a tracker."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mapt.runtime.errors import BusyError
from mapt.runtime.monitoring import interpreter_exit as leaving


class Turn:
    """The right to change a tracker's state, which one thread of one process has at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0  # the process whose thread has the turn
        leaving.watch(self._lock)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the turn for the time of a block.

        Raises:
            BusyError: another thread has it, or had it when this process was forked.
        """
        leaving.stay_out()
        mine = False
        try:
            mine = self._lock.acquire(blocking=False)
            if not mine and self._holder != os.getpid():
                raise BusyError(
                    "this process was forked while a step ran, which never ends here; load a"
                    " tracker in it"
                )
            if not mine:
                raise BusyError(
                    "another thread is in this tracker; give each thread its own, or take turns"
                )
            self._holder = os.getpid()
            yield
        finally:
            if mine:
                self._lock.release()
