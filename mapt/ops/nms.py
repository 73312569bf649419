"""Ranking and greedy suppression as tensor operations.

One explicit tie break makes all backends agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import torch
from torch import Tensor

from mapt.ops.nodes import node

INDEX_BITS = 20


class Watcher(Protocol):
    """Is told of every ranking and suppression, to see how narrow they were."""

    def ranked(self, scores: Tensor, order: Tensor) -> None:
        """`order` (k,) int64 are the highest of `scores` (n,) in [0,1]."""

    def suppressed(
        self, boxes: Tensor, groups: Tensor, valid: Tensor, iou: float, kept: Tensor
    ) -> None:
        """The arguments of `greedy_nms` and its result."""


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Report to `watcher` what this thread ranks and suppresses.

    Code that is compiled or exported reports nothing.
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def _listening() -> Watcher | None:
    return None if torch.compiler.is_compiling() else _watcher.get()


def rank_keys(scores: Tensor) -> Tensor:
    """Return ranking keys (n,) int64 of scores (n,) float32 in [0,1].

    A higher score comes first, then a lower index.

    No two keys are equal, so any top-k gives the same order: 2^24 keeps all a float32's 24 bits
    near 1.
    """
    count = scores.shape[0]
    index = torch.arange(count, device=scores.device, dtype=torch.int64)
    quantised = torch.floor(scores.double() * float(1 << 24)).to(torch.int64)
    return quantised * (1 << INDEX_BITS) + ((1 << INDEX_BITS) - 1 - index)


def top_k(scores: Tensor, k: int) -> Tensor:
    """Indices (min(k,n),) int64 of the highest scores (n,), ties broken by the lowest index."""
    k = min(k, scores.shape[0])
    order = torch.topk(rank_keys(scores), k).indices
    if watcher := _listening():
        watcher.ranked(scores, order)
    return order


def pairwise_iou(boxes: Tensor) -> Tensor:
    """Return the IoU (n,n) of boxes (n,4) xyxy with themselves.

    The four coordinates stay separate vectors, which is faster.
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
    """Greedy non-maximum suppression of boxes already in falling order of score.

    Args:
        boxes: (n,4) float32 xyxy.
        groups: (n,) integer class or level; only boxes of one group suppress each other.
        valid: (n,) bool; others neither survive nor suppress.
        iou: overlap above which the lower box is dropped.

    Returns:
        (n,) bool, the survivors.
    """
    over = (pairwise_iou(boxes) > iou) & (groups[:, None] == groups[None]) & valid[:, None]
    suppresses = torch.triu(over, 1).to(boxes.dtype)  # [i,j]: i comes first and overlaps j
    kept = greedy_keep(suppresses) & valid
    if watcher := _listening():
        watcher.suppressed(boxes, groups, valid, iou, kept)
    return kept


def greedy_keep(suppresses: Tensor) -> Tensor:
    """Who survives when, in order, each survivor drops those it suppresses.

    Iterates keep <- no survivor suppresses me, from all ones, until nothing changes: after i rounds
    the first i entries are final, so at most n rounds, and in practice as many as the longest chain
    of overlaps.

    Args:
        suppresses: (n,n) float32, strictly upper triangular, 0 or 1.

    Returns:
        (n,) bool. In an exported graph it is one node, `mapt::GreedyKeep`, which export turns into
        an ONNX Loop.
    """
    if torch.compiler.is_exporting():
        return node("GreedyKeep", [suppresses], suppresses.shape[:1], dtype=torch.bool)
    if suppresses.is_cuda:
        return _every_round(suppresses)
    keep = torch.ones(suppresses.shape[0], device=suppresses.device, dtype=suppresses.dtype)
    for _ in range(suppresses.shape[0]):
        updated = (keep @ suppresses < 0.5).to(suppresses.dtype)
        if torch.equal(updated, keep):
            break
        keep = updated
    return keep > 0.5


def _every_round(suppresses: Tensor) -> Tensor:
    """Run `greedy_keep` in all n rounds.

    To stop early, the host would have to wait for the GPU.
    """
    ones = suppresses.new_ones(suppresses.shape[0])
    keep = ones
    columns = suppresses.T
    for _ in range(suppresses.shape[0]):
        keep = torch.addmv(ones, columns, keep, alpha=-1).clamp_(
            min=0
        )  # whole numbers: 1 or at most 0, exactly
    return keep > 0.5
