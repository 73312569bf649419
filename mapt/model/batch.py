"""Sums and random draws over a batch that may be spread over processes.

A sum covers the whole batch. A random draw depends on a sample alone.

Under torchrun every process holds an equal part of a step's pairs. Gradients are averaged over
processes, so a loss is its part's sum, times the number of processes, over the whole batch's count:
the average is then what one process would have computed with the whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from mapt.model.targets import PairBatch


def processes() -> int:
    """How many processes share the batch."""
    return (
        distributed.get_world_size()
        if distributed.is_available() and distributed.is_initialized()
        else 1
    )


def batch_sum(value: Tensor) -> Tensor:
    """The sum of a tensor without gradient over the processes."""
    if processes() == 1:
        return value
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total


def batch_mean(total: Tensor, count: int) -> Tensor:
    """Divide a part's sum by the count of the whole batch, which is at least 1.

    The module explains the factor.
    """
    if processes() == 1:
        return total / max(count, 1)
    counts = batch_sum(torch.tensor(float(count), device=total.device))
    return total * (processes() / counts.clamp(min=1))


def gather_rows(rows: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Gather rows (n,E) and their ids (n,) int64 from all processes, in the processes' order.

    Gradients flow back to the process that a row came from.

    The counts may differ, also 0; but every process must call this, and backward through it, at the
    same time.
    """
    if processes() == 1:
        return rows, ids
    from torch.distributed.nn.functional import all_gather

    counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(processes())]
    distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    kept = torch.cat(counts).tolist()
    longest = max(kept)
    missing = longest - len(rows)
    parts = all_gather(torch.nn.functional.pad(rows, (0, 0, 0, missing)))
    all_ids = [torch.empty(longest, dtype=ids.dtype, device=ids.device) for _ in counts]
    distributed.all_gather(all_ids, torch.nn.functional.pad(ids, (0, missing)))
    return (
        torch.cat([part[:n] for part, n in zip(parts, kept, strict=True)]),
        torch.cat([part[:n] for part, n in zip(all_ids, kept, strict=True)]),
    )


def image_generators(batch: PairBatch) -> list[torch.Generator]:
    """Create one random generator per image, seeded by the pair's number.

    The images at t - tau come first, then those at t.
    """
    seeds = [2 * seed for seed in batch.seeds] + [2 * seed + 1 for seed in batch.seeds]
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def choose(mask: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    """Choose at most `limit` random indices where a mask (n,) bool is true.

    The choice is the same on every device.
    """
    index = torch.nonzero(mask)[:, 0]
    order = torch.randperm(len(index), generator=generator)[:limit]
    return index[order.to(index.device)]
