"""Connects the processes that torchrun started."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

START = "mapt/start"  # the key of the name of the newest start, in the store of all processes


def world_size() -> int:
    """Processes that torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def process_group(backend: str, longest_wait: timedelta) -> Iterator[tuple[int, int]]:
    """Connect this process with the others inside the block.

    Args:
        backend: "gloo" or "nccl".
        longest_wait: a process gives up on the others after this time.

    Yields:
        The number of this process, and the number of processes.
    """
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    shared, rank, world = next(rendezvous("env://", timeout=longest_wait))
    distributed.init_process_group(
        backend,
        store=store_of_this_start(shared, rank, world),
        rank=rank,
        world_size=world,
        timeout=longest_wait,
    )
    try:
        yield rank, world
    finally:
        distributed.destroy_process_group()


def store_of_this_start(shared: Store, rank: int, world: int) -> Store:
    """Return a part of a store to which only the processes of this start write.

    torchrun keeps its store when it starts processes again, and they would find the addresses of
    those before in it (pytorch/pytorch#135712). So the first process names each start. The name
    that another one reads may be an old one, so it waits until the first has seen it.

    Args:
        shared: the store that the processes of all starts see.
        rank: number of this process.
        world: number of processes.
    """
    from torch.distributed.distributed_c10d import PrefixStore

    if not rank:
        name = uuid4().hex
        shared.set(START, name)
        for other in range(1, world):
            shared.set(_seen(name, other), shared.get(_own(name, other)).decode())
        return PrefixStore(name, shared)
    own = uuid4().hex
    while True:
        name = shared.get(START).decode()
        shared.set(_own(name, rank), own)
        if shared.check([_seen(name, rank)]) and shared.get(_seen(name, rank)).decode() == own:
            return PrefixStore(name, shared)
        time.sleep(0.02)


def _own(start: str, rank: int) -> str:
    return f"mapt/{start}/{rank}/own"


def _seen(start: str, rank: int) -> str:
    return f"mapt/{start}/{rank}/seen"
