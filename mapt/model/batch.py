"""Sums and random draws over a batch that processes may share.

A sum covers the whole batch, and a random draw depends on its sample alone.

Under torchrun, every process has an equal part of a step's pairs, and gradients are averaged over
processes. A process therefore multiplies the sum over its part by the number of processes, and
divides it by the count of the whole batch. The average of these losses is the loss that one process
would compute from the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed

from mapt.model.targets import PairBatch


def processes() -> int:
    """Return the number of processes that share the batch."""
    return (
        distributed.get_world_size()
        if distributed.is_available() and distributed.is_initialized()
        else 1
    )


def batch_sum(value: Tensor) -> Tensor:
    """Add a tensor of any shape over all processes. The sum has no gradient."""
    if processes() == 1:
        return value
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total


def batch_mean(total: Tensor, count: int | Tensor) -> Tensor:
    """Divide a sum by the count of the whole batch, as the module explains.

    Args:
        total: scalar, the sum over this process's part of the batch.
        count: the number of terms in this part, perhaps as a scalar on the device. The count of the
            whole batch is taken as at least 1.

    Returns:
        Scalar, whose average over processes is the mean over the whole batch.
    """
    if processes() == 1:
        return total / (count.clamp(min=1) if isinstance(count, Tensor) else max(count, 1))
    own = count.float() if isinstance(count, Tensor) else total.new_tensor(float(count))
    counts = batch_sum(own)
    return total * (processes() / counts.clamp(min=1))


def gather_rows(rows: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Gather rows and their ids from all processes, in the order of the processes.

    Gradients flow back to the process of each row. Every process must call this function, and run
    the backward pass through it, at the same time.

    Args:
        rows: (n,E) float. n may differ between processes, and may be 0.
        ids: (n,) int64.

    Returns:
        The rows (sum n,E) and ids (sum n,) of all processes.
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
    """Create a random generator for each image, seeded by its pair's seed.

    Returns:
        2B generators: those of the images at t - tau, and then those of the images at t.
    """
    seeds = [2 * seed for seed in batch.seeds] + [2 * seed + 1 for seed in batch.seeds]
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def count_true(masks: Sequence[Tensor]) -> list[int]:
    """Count the true entries of masks (n,) bool of any lengths. The host waits for the GPU once."""
    counts: list[int] = torch.stack([mask.sum() for mask in masks]).tolist() if masks else []
    return counts


def choose(mask: Tensor, count: int, limit: int, generator: torch.Generator) -> Tensor:
    """Choose random indices at which a mask is true, alike on every device.

    The host does not wait for a GPU.

    Args:
        mask: (n,) bool.
        count: its true entries, see `count_true`.
        limit: the most indices to choose.
        generator: on the CPU.

    Returns:
        Indices (k,) int64, k <= limit, on the mask's device.
    """
    index = torch.nonzero_static(mask, size=count)[:, 0]
    order = torch.randperm(count, generator=generator)[:limit]
    if mask.is_cuda:
        order = order.pin_memory()
    return index[order.to(index.device, non_blocking=True)]
