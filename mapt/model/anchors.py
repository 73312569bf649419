"""Anchors of the region proposal network."""

from __future__ import annotations

import torch
from torch import Tensor

from mapt.config import ModelConfig


def anchors_per_cell(config: ModelConfig) -> int:
    """How many anchors stand on each cell."""
    return len(config.anchor_scales) * len(config.anchor_ratios)


def make_anchors(config: ModelConfig, level: int, height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Anchors of one pyramid level.

    Args:
        config: sizes (square root of the area) per level, scales and height/width ratios.
        level: 0..3.
        height: rows of the feature map.
        width: columns of the feature map.
        stride: pixels per cell.
        device: where they are needed.

    Returns:
        (height*width*A,4) float32 xyxy pixels around cell centres; the anchor index runs fastest.
    """
    shapes = [
        (config.anchor_sizes[level] * scale / ratio**0.5, config.anchor_sizes[level] * scale * ratio**0.5)
        for scale in config.anchor_scales
        for ratio in config.anchor_ratios
    ]
    half = torch.tensor(shapes, device=device) / 2  # (A,2) w, h
    cell = torch.cat((-half, half), 1)  # (A,4)
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
    cy, cx = torch.meshgrid(y, x, indexing="ij")
    centre = torch.stack((cx, cy, cx, cy), -1).view(-1, 1, 4)
    return (centre + cell).view(-1, 4)
