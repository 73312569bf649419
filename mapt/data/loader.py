"""Draws training samples in a fixed order.

Sample i depends only on the seed and on i. Workers and restarts do not change it.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from weakref import WeakSet

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, get_worker_info

from mapt.data.targets import frame_targets
from mapt.data.transforms import Augmentation, View, augment
from mapt.data.triplet import Source
from mapt.errors import InputError
from mapt.model.targets import FrameTargets, PairBatch

SHARED = "/dev/shm"  # where workers leave their batches
PREFETCH = 4  # batches each worker prepares ahead
SEED_BITS = 40  # the low bits of a sample's seed hold its number, the others the run's seed
TRIES = 20  # with `skip_bad`, this many bad samples in a row are an error
# The workers of every loader of this process. multiprocessing keeps those that live.
_workers: WeakSet[BaseProcess] = WeakSet()


@dataclass(frozen=True)
class DatasetMix:
    """A dataset and how samples are drawn from it.

    Attributes:
        source: the dataset.
        weight: its share of the samples, relative to the weights of the other datasets.
        views: the views of its frames. Batch i uses view i modulo their number.
        chances: the probability (len(source),) of each triplet, with the sum 1. None makes all
            triplets equally likely.
        table: the network's class (256,) uint8 of each of the dataset's classes. None means that
            they are the same.
    """

    source: Source
    weight: float
    views: tuple[View, ...]
    chances: NDArray[np.float64] | None = None
    table: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class SampleRule:
    """How samples are drawn.

    Attributes:
        shares: the datasets.
        things: the network's classes with instances.
        augmentation: strengths of the random changes.
        static: probability that frame t - tau replaces t - 2 tau, so that S_prev = S at t - tau.
        seed: the run's seed.
        skip_bad: draw another sample if a file is bad, instead of raising.
        single: read frame t alone, and let it replace the others. This suits a training in which
            nothing compares frames.
    """

    shares: tuple[DatasetMix, ...]
    things: tuple[int, ...]
    augmentation: Augmentation
    static: float
    seed: int
    skip_bad: bool = False
    single: bool = False


@dataclass
class Sample:
    """One training sample.

    Attributes:
        images: frames t - 2 tau, t - tau and t, (3,H,W,3) uint8 RGB.
        prev: targets of frame t - tau.
        now: targets of frame t.
        name: names the sample in messages.
        seed: seeds the losses' random draws for this sample.
        skipped: messages about bad files in whose place this sample was drawn.
    """

    images: torch.Tensor
    prev: FrameTargets
    now: FrameTargets
    name: str
    seed: int
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BadData:
    """Replaces a batch that a worker process could not read.

    Attributes:
        message: says which file is bad, and why.
    """

    message: str


class SampleDataset(Dataset[Sample]):
    """Gives any sample of an endless list by its index.

    Args:
        rule: how samples are drawn.
        batch: the samples in a batch. All samples of a batch share one view.
    """

    def __init__(self, rule: SampleRule, batch: int = 1) -> None:
        self.rule = rule
        self.batch = batch
        weights = np.array([share.weight for share in rule.shares])
        self.chances = weights / weights.sum()

    def __getitem__(self, index: int) -> Sample:
        """Return sample `index`, which is the same at every call.

        Raises:
            InputError: a file is missing or bad. With `skip_bad`, `TRIES` samples in a row are.
        """
        skipped: list[str] = []
        while True:
            try:
                # The key changes only after a bad file. A sample without one does not depend on
                # `skip_bad`.
                key = (self.rule.seed, index, *([len(skipped)] if skipped else []))
                sample = self._draw(key, index // self.batch)
                return replace(sample, skipped=skipped, seed=(self.rule.seed << SEED_BITS) + index)
            except InputError as error:
                if not self.rule.skip_bad:
                    raise
                skipped.append(str(error))
                if len(skipped) == TRIES:
                    raise InputError(
                        f"{TRIES} samples in a row are bad; the last: {error}"
                    ) from None

    def _draw(self, key: tuple[int, ...], batch: int) -> Sample:
        rule = self.rule
        rng = np.random.default_rng(key)
        share = rule.shares[int(rng.choice(len(rule.shares), p=self.chances))]
        static = bool(rng.random() < rule.static)
        distinct = 1 if rule.single else 2 if static else 3
        triplet = share.source.read(
            int(rng.choice(len(share.source), p=share.chances)), rng, distinct
        )
        triplet = augment(
            triplet, share.views[batch % len(share.views)], rule.augmentation, rng, distinct
        )
        targets = [
            frame_targets(
                semantic if share.table is None else share.table[semantic], instance, rule.things
            )
            for semantic, instance in list(zip(triplet.semantic, triplet.instance, strict=True))[
                -distinct:
            ]
        ]
        return Sample(
            torch.from_numpy(np.stack(triplet.images)), targets[0], targets[-1], triplet.name, 0
        )


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
    are left if one is stuck, or if something such as a traceback still holds the loader.
    """
    if left := [worker for worker in _workers if worker.is_alive()]:
        with contextlib.suppress(ValueError):  # not the main thread
            # PyTorch's handler would report the killed workers as an error.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for worker in left:
            worker.kill()
