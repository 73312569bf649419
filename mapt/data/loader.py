"""Training samples in a fixed order: sample i depends on the seed and i alone, not on workers or restarts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mapt.data.targets import frame_targets
from mapt.data.transforms import Augmentation, augment
from mapt.data.triplet import Source, pick
from mapt.model.targets import FrameTargets, PairBatch


@dataclass(frozen=True)
class SampleRule:
    """How samples are drawn.

    Attributes:
        sources: datasets.
        weights: their shares.
        height: crop height, pixels.
        width: crop width, pixels.
        things: train ids with instances.
        augmentation: strengths.
        static: probability that t - 2 tau is replaced by t - tau, so that S_prev = S at t - tau.
        seed: of the run.
    """

    sources: Sequence[Source]
    weights: Sequence[float]
    height: int
    width: int
    things: tuple[int, ...]
    augmentation: Augmentation
    static: float
    seed: int


@dataclass
class Sample:
    """One training sample: (3,H,W,3) uint8 frames and the targets of the last two."""

    images: torch.Tensor
    prev: FrameTargets
    now: FrameTargets
    name: str


class Samples(Dataset[Sample]):
    """Random access to the endless list of samples."""

    def __init__(self, rule: SampleRule) -> None:
        self.rule = rule

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`, the same at every call."""
        rule = self.rule
        rng = np.random.default_rng((rule.seed, index))
        triplet = augment(pick(rule.sources, rule.weights, rng), rule.height, rule.width, rule.augmentation, rng)
        if rng.random() < rule.static:
            _, prev, now = triplet.images
            triplet = replace(triplet, images=(prev, prev, now))
        images = torch.from_numpy(np.stack(triplet.images))
        targets = [
            frame_targets(semantic, instance, rule.things)
            for semantic, instance in zip(triplet.semantic, triplet.instance, strict=True)
        ]
        return Sample(images, targets[0], targets[1], triplet.name)


def collate(samples: list[Sample]) -> PairBatch:
    """Samples to a batch."""
    images = torch.stack([s.images for s in samples])  # (B,3,H,W,3)
    return PairBatch(
        images[:, 0], images[:, 1], images[:, 2],
        [s.prev for s in samples], [s.now for s in samples], [s.name for s in samples],
    )  # fmt: skip


def load_batches(rule: SampleRule, batch: int, start: int, stop: int, workers: int) -> Iterator[PairBatch]:
    """The batches of iterations `start` to `stop`; worker processes prepare them ahead."""
    loader = DataLoader(
        Samples(rule),
        batch_size=batch,
        sampler=range(start * batch, stop * batch),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
