"""Processes of this machine. Neither Ray nor a thread is needed.

The standard library's executors are not used, because they wait for ever if their threads cannot be
started, and give up all tasks when one process is killed.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from mapt.cores import usable_cores
from mapt.engines.engine import LazyWork, MakeWork, Outcomes, R, T, TaskOutcome, lost_worker


@dataclass(frozen=True)
class ProcessEngine:
    """Runs tasks in processes, or with one worker in this process.

    A task whose process is killed fails, and another process takes the next one.

    Attributes:
        workers: number of processes.
        apart: use a process of its own even for one worker.
    """

    workers: int = 1
    apart: bool = False

    def run(self, make: MakeWork[T, R], tasks: Iterable[T]) -> Outcomes[T, R]:
        """See `mapt.engines.engine.TaskEngine`."""
        if self.workers <= 1 and not self.apart:
            lazy = LazyWork(make)
            yield from map(lazy.do, tasks)
            return
        with ExitStack() as stack:
            yield from _ProcessPool(make, stack).run(iter(tasks), self.workers)


class _ProcessPool:
    """Processes with a pipe each. `stack` ends them."""

    def __init__(self, make: MakeWork[T, R], stack: ExitStack) -> None:
        self._make = make
        self._stack = stack
        self._context = get_context("spawn")
        self._busy: dict[Connection, object] = {}

    def run(self, left: Iterator[T], workers: int) -> Iterator[TaskOutcome[T, R]]:
        for _, task in zip(range(workers), left, strict=False):
            self._give(self._start(), task)
        while self._busy:
            pipe = next(p for p in wait(list(self._busy)) if isinstance(p, Connection))
            given: Any = self._busy.pop(pipe)
            outcome: TaskOutcome[T, R] | None = _receive(pipe)
            lost = outcome is None
            yield outcome or TaskOutcome(given, failure=lost_worker())
            for following in left:
                self._give(self._start() if lost else pipe, following)
                break

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._make, theirs), daemon=True)
        process.start()
        self._stack.callback(_end, process)
        theirs.close()
        return ours

    def _give(self, pipe: Connection, task: object) -> None:
        self._busy[pipe] = task
        try:
            pipe.send(task)
        except (BrokenPipeError, ConnectionResetError):
            return  # reading from it says that its process is gone


def _end(process: BaseProcess) -> None:
    process.kill()
    process.join()


def _receive(pipe: Connection) -> TaskOutcome[T, R] | None:
    """The outcome that a worker sent; None where it is gone."""
    try:
        outcome: TaskOutcome[T, R] = pipe.recv()
    except (EOFError, ConnectionResetError):
        return None
    return outcome


def _serve(make: MakeWork[T, R], pipe: Connection) -> None:
    """Do every task that comes. A worker ends when it is killed, or when its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl+C, and ends its workers
    _end_with_parent()
    lazy = LazyWork(make)
    while True:
        try:
            task = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        pipe.send(lazy.do(task))


def _end_with_parent() -> None:
    """End this worker when its parent ends.

    Otherwise it would finish its task after the parent received `kill -9`.
    """
    parent = parent_process()
    assert parent is not None, "runs in workers only"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def default_workers(threads: int) -> int:
    """Return how many workers of so many threads this machine has cores for."""
    return max(1, usable_cores() // threads)
