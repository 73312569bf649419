"""Fixed work that separates changes of the machine's speed from changes of the program."""

from __future__ import annotations

import time

import numpy as np


class Yardstick:
    """Fixed work on one thread, a few milliseconds, half in the caches and half in memory.

    It is measured beside every frame. Another program or a slower clock delays it as much as the
    run, so two runs are compared in its units. No change of this project makes it slower.
    """

    def __init__(self) -> None:
        self._near = np.linspace(0, 1, 1 << 15, dtype=np.float32)
        self._far = np.ones(1 << 20, np.float32)
        self._to = np.empty(1 << 20, np.float32)

    def measure(self) -> float:
        """Return the milliseconds that the work takes now."""
        begin = time.perf_counter_ns()
        for _ in range(100):
            np.multiply(self._near, np.float32(0.999), out=self._near)
            np.add(self._near, np.float32(0.001), out=self._near)
        for _ in range(4):
            np.copyto(self._to, self._far)
        return (time.perf_counter_ns() - begin) / 1e6
