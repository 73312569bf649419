"""Draws frames with letters or at random, as inputs of the metric tests.

Their classes are those of KITTI-STEP.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.step_png import pack
from mapt.metrics import PanopticTrackingMetrics, Results
from mapt.metrics.histogram import JointHistogram, joint_histogram

Frame = tuple[NDArray[np.uint8], NDArray[np.int32]]
LEGEND = {
    "r": (0, 0), "R": (0, 9), "s": (10, 0), ".": (255, 0),  # road, road with an id, sky, void
    "A": (13, 1), "B": (13, 2), "D": (13, 300), "c": (13, 0),  # cars; c: a crowd of cars
    "P": (11, 1), "Q": (11, 300), "p": (11, 0),  # persons
}  # fmt: skip


def draw(pixels: str) -> Frame:
    """A frame of one row, a letter a pixel."""
    keys = np.array([LEGEND[letter] for letter in pixels]).reshape(1, -1, 2)
    return keys[..., 0].astype(np.uint8), keys[..., 1].astype(np.int32)


def count(gt: Frame, pred: Frame) -> JointHistogram:
    """The joint histogram of two frames."""
    return joint_histogram(pack(*gt), pack(*pred), KITTI_STEP.things)


def score_all(sequences: dict[str, tuple[list[str], list[str]]], **options: object) -> Results:
    """Scores of drawn sequences, each (ground truth, prediction), a string a frame."""
    metrics = PanopticTrackingMetrics(KITTI_STEP, **options)  # type: ignore[arg-type]
    for name, (gt, pred) in sequences.items():
        for truth, guess in zip(gt, pred, strict=True):
            metrics.update(name, draw(truth), draw(guess))
    return metrics.compute()


def score(gt: list[str], pred: list[str], **options: object) -> Results:
    """Scores of one drawn sequence."""
    return score_all({"one": (gt, pred)}, **options)


@dataclass(frozen=True)
class Pools:
    """What random frames are made of: (class, id) of ground truth and of prediction."""

    gt: tuple[tuple[int, int], ...] = (
        (0, 0), (0, 5), (10, 0), (12, 3), (255, 0), (255, 8),
        (11, 0), (13, 0), (11, 7), (11, 300), (13, 7), (13, 300), (13, 65535),
    )  # fmt: skip
    pred: tuple[tuple[int, int], ...] = (
        (0, 0),
        (10, 0),
        (10, 4),
        (255, 0),
        (11, 0),
        (13, 0),
        (11, 7),
        (13, 44),
        (13, 256),
        (13, 512),
        (13, 65535),
    )


Sequence = list[tuple[Frame, Frame]]


def random_sequence(rng: np.random.Generator, frames: int, pools: Pools | None = None) -> Sequence:
    """Draw frames of 6x8 pixels in coarse blocks that mostly persist.

    The prediction is a noisy relabelling of the ground truth.

    Few pixels make ties (IoU of exactly one half, exactly 50 % void) frequent.
    """
    pools = pools or Pools()
    coarse = rng.integers(len(pools.gt), size=(3, 4))
    best = rng.integers(len(pools.pred), size=len(pools.gt))
    noise = rng.choice([0.0, 0.1, 0.3])
    out = []
    for _ in range(frames):
        changed = rng.random(coarse.shape) < 0.15
        coarse = np.where(changed, rng.integers(len(pools.gt), size=coarse.shape), coarse)
        relabelled = rng.random(best.shape) < 0.1
        best = np.where(relabelled, rng.integers(len(pools.pred), size=best.shape), best)
        gt = np.kron(coarse, np.ones((2, 2), np.int64))
        wrong = rng.random(gt.shape) < noise
        pred = np.where(wrong, rng.integers(len(pools.pred), size=gt.shape), best[gt])
        out.append((_frame(gt, pools.gt), _frame(pred, pools.pred)))
    return out


def _frame(index: NDArray[np.int64], pool: tuple[tuple[int, int], ...]) -> Frame:
    keys = np.array(pool)[index]
    return keys[..., 0].astype(np.uint8), keys[..., 1].astype(np.int32)
