"""Runs one process per device under torchrun, and a single one without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from mapt.cores import usable_cores
from mapt.engines.torchrun import process_group, world_size
from mapt.errors import InputError
from mapt.evaluation.device import why_missing

LONGEST_WAIT = timedelta(hours=2)  # while one process renders or evaluates


@dataclass(frozen=True)
class Rank:
    """The place of this process in a run.

    Attributes:
        device: the device on which it computes.
        rank: its number among all processes.
        world: the number of processes.
    """

    device: torch.device = torch.device("cpu")  # noqa: RUF009  (immutable)
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """This process writes the files."""
        return self.rank == 0


def first_process() -> bool:
    """Tell whether this process writes files and messages, even before `join`."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def join(device: str) -> Iterator[Rank]:
    """Connect this process with the others inside the block, by NCCL on GPUs and gloo on CPUs.

    Args:
        device: "cpu", "cuda", or "auto", which is a GPU if there is one.

    Raises:
        InputError: a GPU is asked for, but there is none for this process.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    world = world_size()
    gpus = torch.cuda.device_count() if device != "cpu" else 0
    if local >= gpus and (gpus or device == "cuda"):
        raise InputError(
            f"device = {device}: {why_missing(gpus)}, process {local} has none; start fewer"
            " processes, or train with device=cpu"
        )
    own = torch.device("cuda", local) if gpus else torch.device("cpu")
    if world == 1:
        yield Rank(own)
        return
    if gpus:
        torch.cuda.set_device(own)
    with process_group("nccl" if gpus else "gloo", LONGEST_WAIT) as (rank, _):
        yield Rank(own, rank, world)


def default_threads() -> int:
    """Return this process's share of the machine's cores, at least 1."""
    return max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


@contextmanager
def first_process_first(place: Rank) -> Iterator[None]:
    """Let the first process run the block before the others, for example to write their files."""
    if place.world > 1 and not place.first:
        distributed.barrier()
    yield
    if place.world > 1 and place.first:
        distributed.barrier()


def average(values: Tensor, place: Rank) -> Tensor:
    """Average a tensor of any shape over processes. The result has no gradient."""
    if place.world == 1:
        return values
    total = values.detach().clone()
    distributed.all_reduce(total)
    return total / place.world


def any_process(own: tuple[bool, ...], place: Rank) -> list[bool]:
    """Tell for each flag whether it is true on any process.

    A single process answers without its device, so it does not wait for a GPU.
    """
    if place.world == 1:
        return list(own)
    return (
        average(torch.tensor(own, dtype=torch.float32, device=place.device), place) > 0
    ).tolist()


def gather(values: list[str], place: Rank) -> list[str]:
    """Collect the values of all processes, in the order of the processes."""
    if place.world == 1:
        return values
    parts = [values] * place.world
    distributed.all_gather_object(parts, values)
    return [value for part in parts for value in part]


def same_everywhere(module: nn.Module, place: Rank) -> None:
    """Copy the weights and buffers of the first process to all others."""
    if place.world > 1:
        for tensor in module.state_dict().values():
            distributed.broadcast(tensor, 0)
