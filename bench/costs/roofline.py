"""Measures the machine's peak rates of arithmetic and memory, in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Limits:
    """Multiplications and additions, and bytes read and written, per second."""

    flops: float
    bandwidth: float


def measure_limits() -> Limits:
    """Measure the best of some matrix products, and of some copies larger than the caches."""
    import torch

    squares = [torch.rand(2, side, side) for side in (512, 1024, 2048)]
    source = torch.rand(32 << 20)
    target = torch.empty(32 << 20)
    rates = [
        2
        * len(m[0]) ** 3
        / min(time_of(partial(torch.mm, m[0], m[1]), repeats=3) for _ in range(6))
        for m in squares
    ]
    copy = min(time_of(lambda: target.copy_(source), 2) for _ in range(8))
    return Limits(max(rates), 2 * 4 * (32 << 20) / copy)


def time_of(call: Callable[[], object], repeats: int) -> float:
    """Seconds of one call, the mean of `repeats`."""
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begin) / repeats
