"""Loads batches of training samples in a fixed order, with worker processes."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from weakref import WeakSet

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from mapt.data.samples import Sample, SampleDataset, SampleRule
from mapt.errors import InputError
from mapt.model.targets import PairBatch

SHARED = "/dev/shm"  # where workers leave their batches
PREFETCH = 4  # batches each worker prepares ahead
# The workers of every loader of this process. multiprocessing keeps those that live.
_workers: WeakSet[BaseProcess] = WeakSet()


@dataclass(frozen=True)
class BadData:
    """Replaces a batch that a worker process could not read.

    Attributes:
        message: says which file is bad, and why.
    """

    message: str


class _Batches(Dataset[PairBatch | BadData]):
    """A dataset of batches, each of which is shared equally by `world` processes.

    Batch i holds the samples i * size to (i + 1) * size - 1.
    """

    def __init__(self, samples: SampleDataset, size: int, rank: int, world: int) -> None:
        self.samples = samples
        self.size = size
        self.part = range(rank * (size // world), (rank + 1) * (size // world))

    def __getitem__(self, index: int) -> PairBatch | BadData:
        """Return batch `index`.

        An InputError is returned as a value, because a worker's exception would arrive as a
        traceback.
        """
        try:
            batch = collate([self.samples[index * self.size + i] for i in self.part])
            if get_worker_info() is not None:
                _share(batch)
            return batch
        except InputError as error:
            return BadData(str(error))


def _share(batch: PairBatch) -> None:
    """Move a worker's batch into shared memory.

    PyTorch would do so later, in a thread that loses a batch for which there is no room.

    Raises:
        InputError: there is no room in shared memory.
    """
    try:
        for tensor in _tensors(batch):
            tensor.share_memory_()
    except (RuntimeError, OSError) as error:
        raise InputError(_no_room(" ".join(str(error).split()))) from None


def _no_room(reason: str) -> str:
    try:
        free = f"{shutil.disk_usage(SHARED).free / 2**20:.0f} MiB free"
    except OSError:
        free = "is not there"
    return (
        f"{SHARED}: {free}, the workers that load data need more ({reason:.150}); give the"
        " container more, e.g. docker run --shm-size=1g, or set data.workers=0"
    )


def _tensors(batch: object) -> Iterator[torch.Tensor]:
    """Yield every tensor of a batch."""
    if isinstance(batch, torch.Tensor):
        yield batch
    elif isinstance(batch, list | tuple):
        for part in batch:
            yield from _tensors(part)
    elif is_dataclass(batch):
        for entry in fields(batch):
            yield from _tensors(getattr(batch, entry.name))


def collate(samples: list[Sample]) -> PairBatch:
    """Put samples of one size into a batch, whose images are (B,H,W,3) uint8."""
    images = torch.stack([s.images for s in samples])  # (B,3,H,W,3)
    return PairBatch(
        images[:, 0],
        images[:, 1],
        images[:, 2],
        [s.prev for s in samples],
        [s.now for s in samples],
        [s.name for s in samples],
        [s.seed for s in samples],
        [message for s in samples for message in s.skipped],
    )


def load_batches(
    rule: SampleRule,
    batch: int,
    start: int,
    stop: int,
    workers: int,
    rank: int = 0,
    world: int = 1,
    pinned: bool = False,
) -> Iterator[PairBatch]:
    """Yield the batches of iterations `start` to `stop` - 1.

    Args:
        rule: how samples are drawn.
        batch: samples in a step over all processes. It must pass `check_shares`.
        start: first iteration.
        stop: the iteration after the last one.
        workers: worker processes that prepare batches ahead. With 0, this process reads them.
        rank: number of this process. It gets its own part of every batch.
        world: number of processes.
        pinned: put batches into pinned memory, from which a GPU copies without blocking the host.

    Raises:
        InputError: a file is missing or bad, or shared memory has no room for the batches.
    """
    loader = DataLoader(
        _Batches(SampleDataset(rule, batch), batch, rank, world),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        worker_init_fn=_start_worker,
        pin_memory=pinned,
        prefetch_factor=PREFETCH if workers else None,
        # If the workers' seeds came from the global generator, a resumed run would draw other
        # samples than an uninterrupted one.
        generator=torch.Generator(),
    )
    others = active_children()
    try:
        batches = iter(loader)
    except OSError as error:  # the loader's queues need semaphores, which lie in SHARED too
        raise InputError(_no_room(error.strerror or type(error).__name__)) from None
    _workers.update(child for child in active_children() if child not in others)
    _register_end()
    for item in batches:
        if isinstance(item, BadData):
            raise InputError(item.message)
        yield item


def check_shares(batch: int, world: int) -> None:
    """Check that processes can share a batch equally.

    Args:
        batch: samples in a step over all processes.
        world: number of processes.

    Raises:
        InputError: `batch` is no multiple of `world`.
    """
    if batch % world:
        raise InputError(
            f"schedule.batch = {batch}: cannot be shared equally by {world} processes; use a"
            f" multiple of {world}"
        )


def _start_worker(_: int) -> None:
    """Restrict a worker to one thread, and let it ignore signals.

    The main process stops its workers itself. torchrun and Slurm send SIGTERM to every process, but
    the main process needs its workers for the last step.
    """
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@cache
def _register_end() -> None:
    atexit.register(end_workers)


def end_workers() -> None:
    """Kill the workers that are left when this process ends.

    Otherwise multiprocessing would send them SIGTERM, which they ignore, and wait for ever. Workers
    are left if one is stuck, or if something such as a traceback still refers to the loader.
    """
    if left := [worker for worker in _workers if worker.is_alive()]:
        with contextlib.suppress(ValueError):  # not the main thread
            # PyTorch's handler would report the killed workers as an error.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for worker in left:
            worker.kill()
