"""Inputs for comparing the operators: small, irregular, or with NaN and infinity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

STRIDES = [4, 8, 16, 32]

# Batch, channels, filters, kernel, height, width, shared, stride, padding, dilation, bias.
CONVOLUTIONS = [
    (9, 1, 16, 3, 13, 21, True, 1, 1, 1, False),
    (5, 1, 5, 3, 7, 9, True, 1, 12, 12, True),
    (1, 1, 1, 3, 1, 1, False, 1, 1, 1, True),
    (3, 1, 2, 3, 9, 8, False, 1, 1, 1, True),
    (4, 3, 6, 3, 5, 13, True, 1, 3, 3, True),
    (2, 3, 7, 3, 12, 9, False, 2, 1, 1, True),
    (2, 19, 33, 3, 8, 11, False, 1, 1, 1, False),
    (2, 2, 4, 2, 6, 7, False, 3, 2, 2, True),
    (2, 1, 1, 3, 48, 61, True, 1, 1, 1, True),  # enough pixels for more lanes than one warp
    (0, 2, 3, 3, 4, 5, True, 1, 1, 1, True),
    (2, 24, 70, 3, 9, 11, False, 1, 1, 1, True),  # two tiles of filters and of pixels
    (3, 40, 20, 3, 7, 9, True, 2, 2, 2, True),  # more channels than a tile is deep
]
POOLINGS = [  # height, width, batch, channels, boxes, size, sampling ratio
    (193, 311, 2, 19, 90, 7, 2),
    (33, 65, 1, 1, 70, 1, 1),
    (32, 32, 1, 16, 5, 14, 3),
    (64, 64, 1, 3, 0, 7, 2),
    (1, 1, 3, 33, 20, 3, 2),
    (70, 90, 1, 9, 3, 33, 2),  # more samples along an axis than are computed in advance
]
MOTIONS = [(9, 23, 37, 3), (1, 1, 1, 1), (17, 7, 5, 2), (0, 8, 9, 3)]  # masks, height, width, C_m
WILD = (torch.nan, torch.inf, -torch.inf, 1e30, -1e30, 2.0**31, -(2.0**31), -1.0, 1e-40)


def sprinkle(tensor: Tensor, count: int) -> None:
    """Write about `count` invalid offsets into an array."""
    some = tensor.view(-1)[:: max(1, tensor.numel() // count)]
    some.copy_(torch.tensor(WILD, dtype=tensor.dtype).repeat(len(some))[: len(some)])


def convolution(
    case: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> tuple[list[Any], tuple[int, ...]]:
    """Input, offset, weight and bias or None of a case; stride, padding, dilation."""
    batch, channels, filters, kernel, height, width, shared, stride, padding, dilation, bias = case
    random = torch.Generator().manual_seed(0)
    oh, ow = (
        (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for side in (height, width)
    )
    shapes = (
        (batch, channels, height, width), (1 if shared else batch, 2 * kernel * kernel, oh, ow),
        (filters, channels, kernel, kernel), (filters,),
    )  # fmt: skip
    tensors: list[Any] = [torch.randn(*s, generator=random, dtype=dtype) for s in shapes]
    tensors[1] *= 5  # many samples fall outside
    sprinkle(tensors[1], 40)
    if not bias:
        tensors[3] = None
    return tensors, (stride, padding, dilation)


def pyramid(
    height: int,
    width: int,
    batch: int = 2,
    channels: int = 3,
    dtype: torch.dtype = torch.float32,
) -> list[Tensor]:
    """Feature maps P4..P32 of an image of this size."""
    random = torch.Generator().manual_seed(0)
    return [
        torch.randn(batch, channels, -(-height // s), -(-width // s), generator=random, dtype=dtype)
        for s in STRIDES
    ]


def boxes(count: int, batch: int, height: int, width: int) -> Tensor:
    """Every level, also outside the image, of no area, turned over, and numbers that are none."""
    random = torch.Generator().manual_seed(1)
    centre = torch.rand(count, 2, generator=random) * torch.tensor([width * 1.2, height * 1.2])
    side = torch.rand(count, 2, generator=random) ** 2 * 700
    image = torch.randint(0, batch, (count, 1), generator=random)
    rows = torch.cat((image, centre - side / 2, centre + side / 2), 1)
    rows[1:20:5, 3:] = rows[1:20:5, 1:3]
    rows[2:20:5, 1:] = rows[2:20:5, 1:].flip(1)
    for i, value in enumerate(WILD[: len(rows) // 8]):
        rows[i * 8 + 7, 1 + i % 4] = value
    return rows


def motion(
    count: int, height: int, width: int, filters: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, ...]:
    """Masks, some empty and all empty in parts, and what `propagate_masks` takes beside them."""
    random = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=dtype)

    masks = normal(count, 1, height, width) * (normal(count, 1, height, width) > 0.8)
    masks[1::3] = 0
    masks[..., width // 2 :] = 0
    offsets = normal(4, 18, height, width) * 3
    sprinkle(offsets, 300)
    rows = boxes(count, 1, height * 8, width * 8)[:, 1:].to(dtype)
    head = normal(4, filters, 1, 3, 3), normal(4 * filters), normal(1)
    return masks, offsets, *head, rows.contiguous()


def overlaps(count: int, share: float = 0.03, dtype: torch.dtype = torch.float32) -> Tensor:
    """Which of `count` boxes suppresses which later one (count,count), and entries to be ignored.

    These are NaN, and whatever lies on and below the diagonal.
    """
    random = torch.Generator().manual_seed(6)
    found = (torch.rand(count, count, generator=random) < share).to(dtype)
    found.triu_(1).add_(torch.ones(count, count, dtype=dtype).tril())
    found.view(-1)[1::97] = torch.nan
    return found


@dataclass(frozen=True)
class Call:
    """One of PyTorch's operators `mapt::*` with arguments.

    Attributes:
        name: the operator's.
        overload: the operator.
        arguments: positional.
        into: memory among the arguments that takes the results; empty: they are returned.
    """

    name: str
    overload: Any
    arguments: tuple[Any, ...]
    into: tuple[Tensor, ...] = ()

    def results(self) -> list[Tensor]:
        """Run the operator, and return its results."""
        found = self.overload(*self.arguments)
        if self.into:
            return list(self.into)
        return [found] if isinstance(found, Tensor) else list(found)


def calls(device: str) -> list[Call]:
    """Every operator, forward with gradients where it has them, backward, and into memory."""
    random = torch.Generator().manual_seed(5)

    def normal(*shape: int, wanted: bool = False) -> Tensor:
        return torch.randn(*shape, generator=random).to(device).requires_grad_(wanted)

    leaves = [
        normal(*shape, wanted=True)
        for shape in ((3, 2, 23, 37), (1, 18, 23, 37), (6, 2, 3, 3), (6,))
    ]
    detached = [x.detach() for x in leaves]
    smaller = normal(3, 18, 12, 19, wanted=True)
    features = [f.to(device).requires_grad_() for f in pyramid(96, 160, 2, 5)]
    plain = [f.detach() for f in features]
    rows = boxes(70, 2, 96, 160).to(device)
    sides = [f.shape[2] for f in plain], [f.shape[3] for f in plain]
    moved = (normal(3, 1, 9, 11), normal(4, 18, 9, 11), normal(4, 2, 1, 3, 3))
    head = (normal(8), normal(1))
    found = normal(3, 6, 23, 37)
    pooled = normal(70, 5, 7, 7)
    logits = normal(3, 1, 9, 11)
    inside = normal(3, 8, 7, 7)
    places = rows[:3, 1:].contiguous()
    wanted = [True, False, True, True]
    listed: list[tuple[str, tuple[Any, ...], tuple[Tensor, ...]]] = [
        ("deform_conv2d", (*leaves, 1, 1, 1), ()),
        ("deform_conv2d", (leaves[0], smaller, leaves[2], None, 2, 1, 1), ()),
        ("deform_conv2d_out", (*detached, 1, 1, 1, found), (found,)),
        ("deform_conv2d_backward", (normal(3, 6, 23, 37), *detached[:3], 1, 1, 1, wanted), ()),
        ("multiscale_roi_align", (features, rows, 7, STRIDES, 2), ()),
        ("multiscale_roi_align_out", (plain, rows, 7, STRIDES, 2, pooled), (pooled,)),
        ("multiscale_roi_align_backward", (normal(70, 5, 7, 7), rows, *sides, 2, STRIDES, 2), ()),
        ("propagate_masks", (*moved, *head, places), ()),
        ("propagate_masks", (*moved, *head, None), ()),
        ("propagate_masks_out", (*moved, *head, places, logits, inside), (logits, inside)),
        ("propagated_features", (*moved, places), ()),
        ("greedy_keep", (overlaps(130).to(device),), ()),
        ("propagated_features_out", (*moved, places, inside), (inside,)),
    ]  # fmt: skip
    return [
        Call(name, getattr(torch.ops.mapt, name).default, arguments, into)
        for name, arguments, into in listed
    ]


def tolerance(want: Tensor, relative: float) -> float:
    """The largest difference that rounding explains where results are sums."""
    finite = want[want.isfinite()].abs()
    return relative * (1 + (float(finite.max()) if finite.numel() else 0.0))
