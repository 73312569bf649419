"""Ends a live source by a signal, so that its outputs are finished. No torch."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mapt.io.sources.frame import Source
from mapt.io.sources.live import LiveSource

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.0  # seconds in which another Ctrl-C is the same one, sent to the terminal's group


@contextmanager
def stopped_by_signals(source: Source) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a live source in this context instead of the program.

    A second Ctrl-C, later than `PATIENCE`, interrupts. Sources that end by themselves, and threads
    other than the main one, are left alone.
    """
    if (
        not isinstance(source, LiveSource)
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    first: float | None = None

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if first is not None and now - first > PATIENCE and number == signal.SIGINT:
            raise KeyboardInterrupt
        first = now if first is None else first
        source.stop()

    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
