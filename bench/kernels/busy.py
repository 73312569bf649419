"""Keeps every core busy with processes that compute, so that contenders have to share them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# It says when it computes, and ends with the process that started it, even if that is killed.
_WORK = """
import os, sys
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
if cores:
    os.sched_setaffinity(0, [cores[int(sys.argv[1]) % len(cores)]])
print("busy", flush=True)
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def busy_processes(count: int) -> Iterator[list[int]]:
    """Run `count` processes that never wait, each on one of the usable cores in turn.

    Yields:
        their process numbers.
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _WORK, str(i)], stdout=subprocess.PIPE, env=os.environ
        )
        for i in range(count)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.communicate()
