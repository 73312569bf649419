"""The cases that run operators forward and backward, as training does."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import Tensor

from mapt import ops
from mapt.bench.kernels.case import HEIGHT, STRIDES, WIDTH, Call, Case, normal, random_boxes
from mapt.ops.roi_align import LEVEL_AREAS, roi_levels


def training_case(
    name: str,
    ours: Callable[..., Tensor],
    theirs: Callable[..., Tensor],
    leaves: list[Tensor],
    flops: float,
) -> Case:
    """Forward and backward: gradients of every leaf."""
    leaves = [leaf.requires_grad_() for leaf in leaves]
    with torch.no_grad():
        grad = torch.randn_like(ours(*leaves))

    def both(call: Callable[..., Tensor]) -> Call:
        def run() -> object:
            with torch.enable_grad():
                return torch.autograd.grad(call(*leaves), leaves, grad)

        return run

    amount = 4 * (3 * grad.numel() + 3 * sum(leaf.numel() for leaf in leaves))
    return Case(
        f"forward + backward: {name}", both(ours), {"torchvision": both(theirs)}, flops, amount
    )


def _ours(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return ops.deform_conv2d(x, offset, weight, padding=1)


def _theirs(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    out: Tensor = torchvision.ops.deform_conv2d(x, offset, weight, padding=1)
    return out


def convolution_training_case(channels: int, height: int, width: int) -> Case:
    """Return the case of an ordinary deformable convolution of as many filters as channels."""
    c = channels
    leaves = [normal(1, c, height, width), normal(1, 18, height, width)]
    leaves.append(normal(c, c, 3, 3, scale=0.1))
    name = f"deform_conv2d, {c} -> {c}"
    return training_case(name, _ours, _theirs, leaves, height * width * 9 * c * (6 * c + 40))


def training_cases() -> list[Case]:
    """Return the cases that training runs."""
    h = HEIGHT // 8
    w = WIDTH // 8
    count = 20
    filters = 16
    features = [torch.rand(1, 256, HEIGHT // s, WIDTH // s) for s in STRIDES]
    boxes = random_boxes(1000)
    assert len(roi_levels(boxes[:, 1:]).unique()) == len(LEVEL_AREAS) + 1

    def per_level(*levels: Tensor) -> Tensor:
        with ops.disabled():
            return ops.multiscale_roi_align(levels, boxes, 7, STRIDES)

    def shared(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        return _theirs(x, offset.expand(count, -1, -1, -1), weight)

    masks = [torch.rand(count, 1, h, w), normal(1, 18, h, w), normal(filters, 1, 3, 3)]
    return [
        training_case(
            f"shared deform_conv2d, {count} x 1 -> {filters}",
            _ours,
            shared,
            masks,
            count * h * w * 9 * (6 * filters + 40),
        ),
        convolution_training_case(64, 94, 311),
        training_case(
            "multiscale_roi_align, 1000 x 256 x 7x7",
            lambda *f: ops.multiscale_roi_align(f, boxes, 7, STRIDES),
            per_level,
            features,
            2 * 32 * 1000 * 256 * 49,
        ),
    ]
