"""Opens the engine that `--engine`, `--address` and `--workers` ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mapt.engines.engine import TaskEngine
from mapt.engines.processes import ProcessEngine, default_workers
from mapt.errors import InputError, suggest

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class EngineOptions:
    """Which engine, and how large.

    Attributes:
        name: of `ENGINES`.
        address: of a Ray cluster; see `mapt.engines.ray_cluster.connected`.
        workers: tasks at once; None: as many as there are cores for.
        threads: of each worker.
        gpus: share of a GPU of each worker, on Ray.
    """

    name: str = "local"
    address: str | None = None
    workers: int | None = None
    threads: int = 1
    gpus: float = 0.0


def check_engine(options: EngineOptions) -> None:
    """Refuse options that fit no engine.

    Raises:
        InputError: an unknown engine, or an option of Ray's without Ray.
    """
    if options.name not in ENGINES:
        raise InputError(f"--engine {options.name}: unknown; {suggest(options.name, ENGINES)}")
    if options.name == "local" and (options.address or options.gpus):
        option = "--address" if options.address else "--gpus"
        raise InputError(f"{option}: is for --engine ray; leave it out, or add --engine ray")
    if not 0 <= options.gpus <= 64:
        raise InputError(f"--gpus {options.gpus}: is no share of GPUs; give e.g. 0.25 or 1")


@contextmanager
def open_engine(options: EngineOptions) -> Iterator[TaskEngine]:
    """Yield the engine, connected to its cluster.

    Raises:
        InputError: as `check_engine`, Ray is not installed, no cluster can be reached, or this
            machine is too small for one worker.
    """
    check_engine(options)
    if options.name == "local":
        yield ProcessEngine(options.workers or default_workers(options.threads))
        return
    from mapt.engines.ray_cluster import RayEngine, check_room, cluster_workers, connected

    with connected(options.address) as own:
        if own:
            check_room(options.threads, options.gpus)
        count = options.workers or cluster_workers(options.threads, options.gpus)
        yield RayEngine(count, options.threads, options.gpus)
