"""Ranks and greedily suppresses boxes with tensor operations.

Ties are broken explicitly, so that all backends agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import torch
from torch import Tensor

from mapt.ops import compiled
from mapt.ops.nodes import node

INDEX_BITS = 20


class Watcher(Protocol):
    """Receives every ranking and suppression, for example to measure their margins."""

    def ranked(self, scores: Tensor, order: Tensor) -> None:
        """Receive a ranking.

        Args:
            scores: (n,) float32 in [0,1].
            order: (k,) int64, the indices of the highest scores.
        """

    def suppressed(
        self, boxes: Tensor, groups: Tensor, valid: Tensor, iou: float, kept: Tensor
    ) -> None:
        """Receive the arguments of `greedy_nms` and its result `kept` (n,) bool."""


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Report what this thread ranks and suppresses inside the block to `watcher`.

    Code that is being compiled or exported reports nothing.
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def _listening() -> Watcher | None:
    return None if torch.compiler.is_compiling() else _watcher.get()


def rank_keys(scores: Tensor) -> Tensor:
    """Compute keys that rank by score, and by the lower index if scores are equal.

    No two keys are equal, so every implementation of top-k gives the same order. Scores are
    quantised to steps of 2^-24, which separates all float32 numbers from 0.5 to 1.

    Args:
        scores: (n,) float32 in [0,1]; n must be at most 2^20.

    Returns:
        (n,) int64.
    """
    count = scores.shape[0]
    index = torch.arange(count, device=scores.device, dtype=torch.int64)
    quantised = torch.floor(scores.double() * float(1 << 24)).to(torch.int64)
    return quantised * (1 << INDEX_BITS) + ((1 << INDEX_BITS) - 1 - index)


def top_k(scores: Tensor, k: int) -> Tensor:
    """Find the highest scores.

    Args:
        scores: (n,) float32 in [0,1].
        k: how many to find.

    Returns:
        Indices (min(k,n),) int64 in falling order of score. Of equal scores, the lower index comes
        first.
    """
    k = min(k, scores.shape[0])
    order = torch.topk(rank_keys(scores), k).indices
    if watcher := _listening():
        watcher.ranked(scores, order)
    return order


def pairwise_iou(boxes: Tensor) -> Tensor:
    """Compute the IoU (n,n) of all pairs of boxes (n,4) xyxy.

    The four coordinates stay separate vectors, which is faster than (n,n,2) tensors.
    """
    x1, y1, x2, y2 = boxes.unbind(1)
    width = (torch.minimum(x2[:, None], x2[None]) - torch.maximum(x1[:, None], x1[None])).clamp(
        min=0
    )
    height = (torch.minimum(y2[:, None], y2[None]) - torch.maximum(y1[:, None], y1[None])).clamp(
        min=0
    )
    inter = width * height
    area = (x2 - x1) * (y2 - y1)
    return inter / (area[:, None] + area[None] - inter).clamp(min=1e-6)


def greedy_nms(boxes: Tensor, groups: Tensor, valid: Tensor, iou: float) -> Tensor:
    """Suppress boxes that overlap a box of a higher score, greedily.

    Args:
        boxes: (n,4) float32 xyxy, in falling order of score.
        groups: (n,) integer, such as a class or a level. Boxes suppress only boxes of their group.
        valid: (n,) bool. An invalid box neither survives nor suppresses others.
        iou: the overlap above which the lower box is dropped.

    Returns:
        (n,) bool, true for the survivors.
    """
    over = (pairwise_iou(boxes) > iou) & (groups[:, None] == groups[None]) & valid[:, None]
    suppresses = torch.triu(over, 1).to(boxes.dtype)  # [i,j]: i comes first and overlaps j
    kept = greedy_keep(suppresses) & valid
    if watcher := _listening():
        watcher.suppressed(boxes, groups, valid, iou, kept)
    return kept


def greedy_keep(suppresses: Tensor) -> Tensor:
    """Find the survivors if each of them, in order, drops those that it suppresses.

    From all ones, keep[j] becomes 1 if no i with keep[i] = 1 suppresses j, until nothing changes.
    After i rounds the first i entries are final, so there are at most n rounds. In practice there
    are as many as the longest chain of overlaps. The compiled operator goes from box to box
    instead, on a GPU without a wait of the host. An exported graph has one node `mapt::GreedyKeep`,
    which stays in a `custom` graph, and which the export otherwise turns into an ONNX Loop.

    Args:
        suppresses: (n,n) float32, 1 if box i suppresses box j > i, and 0 otherwise.

    Returns:
        (n,) bool, true for the survivors.
    """
    if torch.compiler.is_exporting():
        return node("GreedyKeep", [suppresses], suppresses.shape[:1], dtype=torch.bool)
    if compiled.usable(suppresses):
        found: Tensor = torch.ops.mapt.greedy_keep(suppresses)
        return found > 0.5
    if suppresses.is_cuda:
        return _every_round(suppresses)
    keep = torch.ones(suppresses.shape[0], device=suppresses.device, dtype=suppresses.dtype)
    for _ in range(suppresses.shape[0]):
        updated = (keep @ suppresses < 0.5).to(suppresses.dtype)
        if torch.equal(updated, keep):
            break
        keep = updated
    return keep > 0.5


def suppresses_on_gpu(boxes: Tensor) -> bool:
    """Tell whether `greedy_nms` of these boxes is quick on a GPU, and lets no host wait for it."""
    return boxes.is_cuda and compiled.usable(boxes)


def _every_round(suppresses: Tensor) -> Tensor:
    """Compute `greedy_keep` in all n rounds. To stop early, the host would wait for the GPU."""
    ones = suppresses.new_ones(suppresses.shape[0])
    keep = ones
    columns = suppresses.T
    for _ in range(suppresses.shape[0]):
        # The sums are whole numbers, so each entry is exactly 1, or at most 0 before the clamp.
        keep = torch.addmv(ones, columns, keep, alpha=-1).clamp_(min=0)
    return keep > 0.5


def _fake_greedy_keep(suppresses: Tensor) -> Tensor:
    return suppresses.new_empty(suppresses.shape[:1])


compiled.register("greedy_keep", _fake_greedy_keep)
