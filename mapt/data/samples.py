"""Draws single training samples.

Sample i depends only on the seed and on i. Workers and restarts do not change it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mapt.data.targets import frame_targets
from mapt.data.transforms import Augmentation, View, augment
from mapt.data.triplet import TripletSource
from mapt.errors import InputError
from mapt.model.targets import FrameTargets

SEED_BITS = 40  # the low bits of a sample's seed hold its number, the others the run's seed
TRIES = 20  # with `skip_bad`, this many bad samples in a row are an error


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

    source: TripletSource
    weight: float
    views: tuple[View, ...]
    chances: NDArray[np.float64] | None = None
    table: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class SampleRule:
    """The rule by which samples are drawn.

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
