"""Keeps what several trackers of a process can run at the same time, once for all of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary

Network = TypeVar("Network")
_all = WeakSet["SharedNetworks[object]"]()


class SharedNetworks(Generic[Network]):
    """Networks that are open in this process, by what decides how they run.

    A network is closed with the last backend that holds it. A forked child has none of them,
    because the threads that run them stay in its parent.
    """

    def __init__(self) -> None:
        self._forget()
        _all.add(self)  # type: ignore[arg-type]

    def get(self, key: Hashable, open_network: Callable[[], Network]) -> Network:
        """Return the open network of a key, or open it.

        Args:
            key: of everything that decides what the network gives, and how it runs.
            open_network: its errors leave nothing behind. Other threads that want a network wait.
        """
        with self._lock:
            found = self._open.get(key)
            if found is None:
                found = self._open[key] = open_network()
            return found

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakValueDictionary[Hashable, Network] = WeakValueDictionary()


def _forget_all() -> None:
    for networks in _all:
        networks._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
