"""Draws training samples in a fixed order.

Sample i depends only on the seed and on i, not on workers or restarts.
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
SEED_BITS = 40  # of a sample's number in its seed, the run's above them
TRIES = 20  # draws of a sample before so many bad files are the user's mistake
_workers: WeakSet[BaseProcess] = (
    WeakSet()
)  # of every loader of this process; multiprocessing holds those that live


@dataclass(frozen=True)
class DatasetMix:
    """A dataset, its share of the samples (relative to the others'), and how its frames are shown.

    Batch i is shown as `views[i]`; after the last view the first one follows again. `chances`
    (len(source),) sums to 1 and says how often each triplet is drawn; None: all alike. `table`
    (256,) uint8 turns the dataset's classes into the network's; None: they are the same.
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
        shares: datasets.
        things: train ids with instances.
        augmentation: strengths.
        static: probability that t - 2 tau is replaced by t - tau, so that S_prev = S at t - tau.
        single: frame t alone is read and stands in for the others, where nothing compares frames.
        seed: of the run.
        skip_bad: draw again where a file is bad, instead of stopping.
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
    """One training sample: (3,H,W,3) uint8 frames and the targets of the last two."""

    images: torch.Tensor
    prev: FrameTargets
    now: FrameTargets
    name: str
    seed: int
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BadData:
    """What a worker process hands over in place of a batch it could not read."""

    message: str


class SampleDataset(Dataset[Sample]):
    """Random access to the endless list of samples, `batch` of them to a batch."""

    def __init__(self, rule: SampleRule, batch: int = 1) -> None:
        self.rule = rule
        self.batch = batch
        weights = np.array([share.weight for share in rule.shares])
        self.chances = weights / weights.sum()

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`, the same at every call.

        Raises:
            InputError: a file is missing or bad, or with `skip_bad` so many that the dataset must
                be wrong.
        """
        skipped: list[str] = []
        while True:
            try:
                # Drawn again only after a bad file, so that a sample without one is what it always
                # was.
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
    """A dataset of batches, of which each of `world` processes gets an equal part.

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
    """Every tensor of a batch."""
    if isinstance(batch, torch.Tensor):
        yield batch
    elif isinstance(batch, list | tuple):
        for part in batch:
            yield from _tensors(part)
    elif is_dataclass(batch):
        for entry in fields(batch):
            yield from _tensors(getattr(batch, entry.name))


def collate(samples: list[Sample]) -> PairBatch:
    """Samples of one size to a batch."""
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
    """The batches of iterations `start` to `stop` - 1; worker processes prepare them ahead.

    Args:
        rule: how samples are drawn.
        batch: pairs a step, over all processes, see `check_shares`.
        start: first iteration.
        stop: the one after the last.
        workers: of this process.
        rank: of this process; it gets its part of every batch.
        world: processes.
        pinned: in memory that a GPU copies from while the host goes on.

    Raises:
        InputError: a file is missing or bad, its name is in the message; or there is no room for
            the workers' batches.
    """
    loader = DataLoader(
        _Batches(SampleDataset(rule, batch), batch, rank, world),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        worker_init_fn=_start_worker,
        pin_memory=pinned,
        prefetch_factor=PREFETCH if workers else None,
        # Its own generator: drawing the workers' seeds from the global one would change what a
        # resumed run draws.
        generator=torch.Generator(),
    )
    others = active_children()
    try:
        batches = iter(loader)
    except OSError as error:  # its queues need semaphores, which lie there too
        raise InputError(_no_room(error.strerror or type(error).__name__)) from None
    _workers.update(child for child in active_children() if child not in others)
    _register_end()
    for item in batches:
        if isinstance(item, BadData):
            raise InputError(item.message)
        yield item


def check_shares(batch: int, world: int) -> None:
    """Raise InputError where `world` processes cannot share `batch` pairs equally."""
    if batch % world:
        raise InputError(
            f"schedule.batch = {batch}: cannot be shared equally by {world} processes; use a"
            f" multiple of {world}"
        )


def _start_worker(_: int) -> None:
    """One thread per worker; signals are for the main process, which stops its workers itself.

    torchrun and Slurm send SIGTERM to every process: without its workers a run could not take its
    last step.
    """
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@cache
def _register_end() -> None:
    atexit.register(end_workers)


def end_workers() -> None:
    """Kill the workers that are left when this process ends.

    multiprocessing sends them SIGTERM then and waits for ever, because they ignore it. Some are
    left where a worker is stuck, or where something still holds the loader, e.g. the traceback of
    an error.
    """
    if left := [worker for worker in _workers if worker.is_alive()]:
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(
                signal.SIGCHLD, signal.SIG_DFL
            )  # PyTorch's handler would report them as lost
        for worker in left:
            worker.kill()
