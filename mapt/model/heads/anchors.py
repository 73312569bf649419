"""Makes the anchors of the region proposal network."""

from __future__ import annotations

import torch
from torch import Tensor

from mapt.config import ModelConfig


def anchors_per_cell(config: ModelConfig) -> int:
    """Return the number of anchors of each cell."""
    return len(config.anchor_scales) * len(config.anchor_ratios)


def anchor_shapes(config: ModelConfig, level: int) -> Tensor:
    """Compute the sizes of the anchors of a pyramid level.

    Args:
        config: gives a size (the square root of the area) for each level, scales, and ratios of
            height to width.
        level: 0..3.

    Returns:
        Widths and heights (A,2) float32, in pixels.
    """
    shapes = [
        (
            config.anchor_sizes[level] * scale / ratio**0.5,
            config.anchor_sizes[level] * scale * ratio**0.5,
        )
        for scale in config.anchor_scales
        for ratio in config.anchor_ratios
    ]
    return torch.tensor(shapes)


def make_anchors(shapes: Tensor, height: int, width: int, stride: int) -> Tensor:
    """Make the anchors of a pyramid level.

    Args:
        shapes: (A,2) from `anchor_shapes`, on the device on which the anchors are needed.
        height: rows of the feature map.
        width: columns of the feature map.
        stride: pixels per cell.

    Returns:
        (height*width*A,4) float32 xyxy, in pixels, around the centres of cells. The index of the
        anchor in its cell runs fastest.
    """
    half = shapes / 2
    cell = torch.cat((-half, half), 1)  # (A,4)
    y = (torch.arange(height, device=shapes.device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(width, device=shapes.device, dtype=torch.float32) + 0.5) * stride
    cy, cx = torch.meshgrid(y, x, indexing="ij")
    centre = torch.stack((cx, cy, cx, cy), -1).view(-1, 1, 4)
    return (centre + cell).view(-1, 4)
