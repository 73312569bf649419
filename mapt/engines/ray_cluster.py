"""Ray as an engine: it schedules, transports and retries, on one machine or many."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from mapt.engines.engine import LazyWork, MakeWork, Outcomes, R, T, TaskOutcome, lost_worker
from mapt.errors import InputError

# How often Ray does a task again whose process or machine died. More would let a recording that
# kills its process occupy a cluster.
RETRIES = 3
UNREACHABLE_SECONDS = 0.5  # until a task is given again whose actor cannot be reached
UNREACHABLE_TIMES = 120  # Ray says in less than a minute whether a node is dead
KNOCK_SECONDS = 10  # until an address is given up


@dataclass(frozen=True)
class RayEngine:
    """Runs tasks in Ray's actors, each of which has one task at a time.

    Ray starts an actor again where its process or node dies, and does its task again.

    Attributes:
        workers: number of actors. More than the cluster has room for wait until it has, so that an
            autoscaler sees what is asked for.
        threads: CPUs of an actor.
        gpus: GPUs of an actor; a share such as 0.25 lets four actors use one.
    """

    workers: int
    threads: float = 1
    gpus: float = 0

    def run(self, make: MakeWork[T, R], tasks: Iterable[T]) -> Outcomes[T, R]:
        """See `mapt.engines.engine.TaskEngine`."""
        import ray

        options = {"num_cpus": self.threads, "num_gpus": self.gpus}
        actor = ray.remote(RayWorker).options(
            **options, max_restarts=-1, max_task_retries=RETRIES, scheduling_strategy="SPREAD"
        )
        shared = [ray.put(make)]  # once; a reference in a list is not fetched with every task
        idle = [actor.remote(self.gpus) for _ in range(self.workers)]
        busy: dict[Any, tuple[Any, T]] = {}
        left = iter(tasks)
        unreachable: Counter[int] = Counter()
        try:
            while True:
                while idle and (following := next(_one(left), None)) is not None:
                    worker = idle.pop()
                    busy[worker.do.remote(shared, following)] = (worker, following)
                # Nothing is left for these. Their places go to actors that wait for one: where
                # there are more actors than CPUs, or a node died.
                while idle:
                    ray.kill(idle.pop())
                if not busy:
                    return
                ready, _ = ray.wait(list(busy), num_returns=1)
                worker, task = busy.pop(ready[0])
                idle.append(worker)
                outcome: TaskOutcome[T, R] | None = _outcome(ready[0], task)
                if outcome is None and unreachable[id(task)] < UNREACHABLE_TIMES:
                    unreachable[id(task)] += 1
                    left = chain([task], left)
                    time.sleep(UNREACHABLE_SECONDS)
                    continue
                yield outcome or TaskOutcome(task, failure=lost_worker())
        finally:
            for worker, _ in busy.values():
                ray.kill(worker)


class RayWorker:
    """The actor: makes its work when its first task comes, also after it was started again."""

    def __init__(self, gpus: float) -> None:
        if not gpus:  # older versions of Ray hide them, newer ones leave all visible
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._lazy: LazyWork[Any, Any] | None = None

    def do(self, shared: list[Any], task: Any) -> TaskOutcome[Any, Any]:
        """Do a task with the work that the reference in `shared` makes."""
        if self._lazy is None:
            self._lazy = LazyWork(partial(_made, shared[0]))
        return self._lazy.do(task)


def _made(reference: Any) -> Any:
    """Make the work. What this machine lacks for it is raised here, and becomes an outcome."""
    import ray

    return ray.get(reference)()


def _one(left: Iterator[T]) -> Iterator[T]:
    """At most the next task."""
    for task in left:
        yield task
        return


def _outcome(reference: Any, task: T) -> TaskOutcome[T, R] | None:
    """What a task gave. Ray raises where its worker died more often than it is done again.

    None: the actor cannot be reached, and Ray does not know yet whether it is dead.
    """
    import ray

    try:
        outcome: TaskOutcome[T, R] = ray.get(reference)
    except ray.exceptions.ActorUnavailableError:
        return None
    except ray.exceptions.RayError:
        return TaskOutcome(task, failure=lost_worker())
    return outcome


@contextmanager
def connected(address: str | None) -> Iterator[bool]:
    """Connect with a cluster, or start one on this machine. Yields whether it was started.

    Args:
        address: "auto" is the cluster of this machine, otherwise HOST:PORT or ray://HOST:PORT.
            None: what RAY_ADDRESS names, else a cluster of this machine that ends with the context.

    Raises:
        InputError: Ray is not installed, or there is no cluster at that address.
    """
    try:
        import ray
    except ImportError:
        raise InputError(
            "--engine ray: Ray is not installed; pip install 'mapt[ray]', or use --engine local"
        ) from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    if ray.is_initialized():  # by the program that calls us
        yield False
        return
    own = address or os.environ.get("RAY_ADDRESS")
    _knock(own)
    try:
        ray.init(
            own,
            include_dashboard=None if own else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if own else {"_node_ip_address": "127.0.0.1"}),
        )
    except Exception as error:  # of many classes
        reason = " ".join(str(error).split())
        raise InputError(
            f"--address {own or 'of this machine'}: no Ray cluster can be reached there"
            f" ({reason:.160}); start one with `ray start --head`, or check the address"
        ) from None
    try:
        yield not own
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Look whether anybody listens at HOST:PORT. Ray itself would try for many minutes.

    Raises:
        InputError: nobody does.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--address {address}: nobody answers there ({error}); start a cluster with"
            " `ray start --head`, or check the address"
        ) from None


def cluster_workers(threads: float, gpus: float) -> int:
    """Return how many actors of this size the cluster has room for now, at least 1."""
    import ray

    resources = ray.cluster_resources()
    room = int(resources.get("CPU", 0) // threads)
    if gpus:
        room = min(room, int(resources.get("GPU", 0) // gpus))
    return max(1, room)


def check_room(threads: float, gpus: float) -> None:
    """Refuse actors that a cluster of this machine, which does not grow, can never place.

    Raises:
        InputError: it has fewer CPUs or GPUs than one actor needs.
    """
    import ray

    there = ray.cluster_resources()
    for option, value, kind in (("--threads", threads, "CPU"), ("--gpus", gpus, "GPU")):
        count = there.get(kind, 0)
        if value > count:
            raise InputError(
                f"{option} {value:g}: this machine has {count:g} {kind}s for Ray; give less, or"
                " --address of a cluster that has them"
            )
