"""Ends a live source by a signal, so that its outputs are finished. No torch."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mapt.io.sources.live.source import LiveSource

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.0  # seconds in which another Ctrl-C is the same one, sent to the terminal's group


@contextmanager
def stopped_by_signals(source: LiveSource) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a source in this context instead of the program.

    A second Ctrl-C, later than `PATIENCE`, interrupts. Outside the main thread, where Python allows
    no signal handlers, the end of the context alone stops the source.
    """
    main = threading.current_thread() is threading.main_thread()
    first: float | None = None

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if first is not None and now - first > PATIENCE and number == signal.SIGINT:
            raise KeyboardInterrupt
        first = now if first is None else first
        source.stop()

    previous = {number: signal.signal(number, handle) for number in SIGNALS if main}
    try:
        yield
    finally:
        source.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)
