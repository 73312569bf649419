"""Which cores this process may use, and whether so many threads may be started."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from mapt.errors import InputError

# What the libraries' own pools read when they are loaded; they know of affinity, hardly of a
# container's quota.
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
MOST_THREADS = 1024  # more than any machine uses well


def usable_cores() -> int:
    """Return the number of cores that this process may use.

    It is the number of cores it may run on, limited by its container's CPU quota, rounded up.
    """
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(allowed, math.ceil(min(_quotas(), default=allowed))))


def bound_pools() -> None:
    """Limit the thread pools of NumPy, OpenCV and PyTorch to the usable cores.

    Call it before they are loaded. Limits that the user has set stay.
    """
    for name in POOLS:
        os.environ.setdefault(name, str(usable_cores()))


def check_threads(count: int, name: str = "threads") -> int:
    """Return the number if it is a valid number of threads.

    Raises:
        InputError: it is no whole number from 1 on, or more than a machine uses well.
    """
    if type(count) is not int or not 1 <= count <= MOST_THREADS:
        raise InputError(f"{name} is {count!r:.40}; give a whole number from 1 to {MOST_THREADS}")
    return count


def _quotas(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Iterator[float]:
    """Yield the CPU quotas of this process' control groups, in cores.

    They come from the process' own group up to the root. Groups without a limit yield no quota.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, group in (line for line in lines if len(line) == 3):
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "cpu" if controllers else root  # version 1 has a hierarchy of its own for it
        folder = base / group.lstrip("/")
        for place in (folder, *folder.parents):
            yield from _quota(place)
            if place == base:
                break


def _quota(group: Path) -> Iterator[float]:
    try:
        if (group / "cpu.max").exists():
            limit, period = (group / "cpu.max").read_text().split()
        else:
            limit = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        if limit != "max" and int(limit) > 0:
            yield int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return


def require_threads(count: int) -> None:
    """Start `count` threads and let them end, to see whether the system allows so many.

    Call it before a library that would wait forever for threads that it cannot start.

    Raises:
        RuntimeError: the system refused one of them.
    """
    go = threading.Event()
    started = list[threading.Thread]()
    try:
        for _ in range(count):
            thread = threading.Thread(target=go.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise RuntimeError(
            f"{error}: {count} more are needed, the system gives {len(started)}"
        ) from None
    finally:
        go.set()
        for thread in started:
            thread.join()
