"""Hands frames from the thread that reads them to the one that tracks them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
TICK = 0.1  # seconds after which a waiting thread looks whether it was stopped


class FrameQueue(Generic[T]):
    """A queue of a few items between two threads.

    Args:
        size: items that it holds at most.
        lossless: a full queue lets the writer wait; otherwise its oldest item is dropped.

    Attributes:
        dropped: items that were dropped so far.
    """

    def __init__(self, size: int, lossless: bool) -> None:
        self.dropped = 0
        self._size = size
        self._lossless = lossless
        self._items = deque[T]()
        self._changed = threading.Condition()
        self._ended = False
        self._stopped = False
        self._error: BaseException | None = None

    def is_stopped(self) -> bool:
        """Whether the reader wants no more."""
        return self._stopped

    def stop(self) -> None:
        """End both sides soon; takes no lock, so that a signal's handler may call it."""
        self._stopped = True

    def put(self, item: T) -> None:
        """Add an item; nothing is added after `stop`."""
        with self._changed:
            while self._lossless and len(self._items) >= self._size and not self._stopped:
                self._changed.wait(TICK)
            if self._stopped:
                return
            if len(self._items) >= self._size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no item follows, and why where that is an error."""
        with self._changed:
            self._ended = True
            self._error = error
            self._changed.notify_all()

    def get(self) -> T | None:
        """Return the oldest item, or None when there will be none.

        Raises:
            BaseException: the one that `end` was given, after the last item.
        """
        with self._changed:
            while not self._items and not self._ended and not self._stopped:
                self._changed.wait(TICK)
            if self._stopped:
                return None
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None
