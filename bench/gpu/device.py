"""Waits for a device, times calls and captures CUDA graphs; also works on a CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

Made = TypeVar("Made")
WARM = 3  # calls before a capture or a measurement


def synchronize(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def milliseconds(call: Callable[[], object], device: str, rounds: int) -> float:
    """The median time of a call: by CUDA events on a GPU, by the clock on a CPU."""
    for _ in range(WARM if rounds > 1 else 0):
        call()
    synchronize(device)
    return statistics.median(_timed(call, device) for _ in range(rounds))


def _timed(call: Callable[[], object], device: str) -> float:
    if device != "cuda":
        begin = time.perf_counter()
        call()
        return (time.perf_counter() - begin) * 1e3
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    call()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last))


def capture(call: Callable[[], Made], device: str) -> tuple[Callable[[], None], Made]:
    """Capture a call in a CUDA graph.

    Args:
        call: reads and writes memory that stays where it is.
        device: on a CPU nothing is captured: replaying is calling again.

    Returns:
        What replays it, and the results, which every replay overwrites.

    Raises:
        RuntimeError: the call does what cannot be captured, such as asking for a number.
    """
    if device != "cuda":
        return partial(_call, call), call()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            call()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = call()
    return graph.replay, results


def _call(call: Callable[[], object]) -> None:
    call()


def first_line(error: BaseException) -> str:
    """An error in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:160]


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Switch TF32 for float32 products and convolutions on or off inside this context."""
    matmul = torch.backends.cuda.matmul
    cudnn = torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = on
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def peak_gib(device: str) -> float | None:
    """The most memory that PyTorch had on the GPU since `reset_peak`, GiB; None on a CPU."""
    return round(torch.cuda.max_memory_allocated() / 2**30, 2) if device == "cuda" else None


def reset_peak(device: str) -> None:
    """Reset the record of the peak memory."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
