"""Counts decisions that lay within an epsilon of another outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapt.ops.nms import pairwise_iou
from mapt.runtime import PanopticFrame

EPSILONS = (1e-6, 1e-4, 1e-2)
# Kinds of decisions in the order in which a frame takes them, and in what their margins are
# measured.
KINDS = {
    "top-k": "score",
    "suppression": "IoU",
    "suppression order": "score",
    "detection score": "score",
    "propagation": "mask IoU",
    "appearance": "cosine",
    "birth": "score, IoU or cosine",
}
RANKED = ("top-k", "suppression", "suppression order")  # what decides which detections there are
STAGES = ("propagation", "appearance", "birth")  # the identity decisions among them


@dataclass
class Tally:
    """Decisions of one kind.

    Attributes:
        total: how many there were.
        smallest: margin of the narrowest one; infinity where there was none.
        within: how many lay within each of `EPSILONS`.
    """

    total: int = 0
    smallest: float = float("inf")
    within: list[int] = field(default_factory=lambda: [0] * len(EPSILONS))

    def add(self, margins: Iterable[float] | NDArray[np.floating]) -> None:
        """Count margins, each at least 0."""
        values = np.asarray(
            margins if isinstance(margins, np.ndarray) else list(margins), np.float64
        ).ravel()
        self.total += values.size
        self.smallest = min(self.smallest, float(values.min(initial=np.inf)))
        self.within = [
            n + int((values < epsilon).sum())
            for n, epsilon in zip(self.within, EPSILONS, strict=True)
        ]


class Margins:
    """Tallies of every kind; a watcher of rankings and suppressions (`mapt.ops.nms.watched`).

    Attributes:
        tallies: by kind, see `KINDS`.
    """

    def __init__(self) -> None:
        self.tallies = {kind: Tally() for kind in KINDS}
        self._sorted: Tensor | None = (
            None  # scores of the boxes that are about to suppress each other
        )

    def ranked(self, scores: Tensor, order: Tensor) -> None:
        """Record how close each candidate is to changing the choice of the best k.

        The margin is the distance of its score from the best one left out, or from the last one
        taken.
        """
        if len(order) == len(
            scores
        ):  # nobody is left out: this puts boxes in order for their suppression
            self._sorted = scores[order]
            return
        chosen = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
        chosen[order] = True
        last = scores[chosen].min()
        first_out = scores[~chosen].max()
        if last > 0:  # else there were not more than k
            rivals = scores[scores > 0]
            margins = torch.maximum(rivals - first_out, last - rivals)
            self.tallies["top-k"].add(margins.cpu().numpy())

    def suppressed(
        self, boxes: Tensor, groups: Tensor, valid: Tensor, iou: float, kept: Tensor
    ) -> None:
        """Record how close the suppression of overlapping boxes is to another result.

        The margins are the distance of each pair's IoU from the limit, and that of the two scores,
        which decide which box comes first.
        """
        overlap = pairwise_iou(boxes)
        pairs = (groups[:, None] == groups[None]) & valid[:, None] & valid[None]
        pairs = torch.triu(pairs, 1) & kept[:, None]  # only survivors suppress
        self.tallies["suppression"].add((overlap[pairs] - iou).abs().cpu().numpy())
        if self._sorted is not None and len(self._sorted) == len(boxes):
            ahead = (self._sorted[:, None] - self._sorted[None])[pairs & (overlap > iou)]
            self.tallies["suppression order"].add(ahead.abs().cpu().numpy())
        self._sorted = None

    def ties(self) -> int:
        """Count the detections so far that were chosen within the smallest of `EPSILONS`."""
        return sum(self.tallies[kind].within[0] for kind in RANKED)

    def decided(self, frame: PanopticFrame) -> None:
        """Record the margins of a frame's identity decisions."""
        for stage in STAGES:
            self.tallies[stage].add(d.margin for d in frame.decisions if d.stage == stage)

    def detected(self, scores: NDArray[np.float32], limit: float) -> None:
        """Record how close detections (n,) are to the score from which they count."""
        self.tallies["detection score"].add(np.abs(scores - np.float32(limit)))


def narrowest(frame: PanopticFrame) -> float:
    """Margin of a frame's narrowest identity decision; infinity where it has none."""
    return min((d.margin for d in frame.decisions if d.stage in STAGES), default=float("inf"))
