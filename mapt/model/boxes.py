"""Computes with boxes: deltas, clipping, overlaps, and pasting of masks.

Boxes are xyxy in pixels, float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_LOG_SCALE = math.log(1000.0 / 16)


def encode(boxes: Tensor, reference: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Encode boxes as deltas from reference boxes (Girshick et al., 2014, R-CNN, Eq. 6-9).

    Args:
        boxes: (n,4).
        reference: (n,4).
        weights: factors of the deltas of x, y, width and height.

    Returns:
        Deltas (n,4), which `decode` turns into the boxes again.
    """
    rw = reference[:, 2] - reference[:, 0]
    rh = reference[:, 3] - reference[:, 1]
    w = boxes[:, 2] - boxes[:, 0]
    h = boxes[:, 3] - boxes[:, 1]
    dx = (boxes[:, 0] + w / 2 - reference[:, 0] - rw / 2) / rw * weights[0]
    dy = (boxes[:, 1] + h / 2 - reference[:, 1] - rh / 2) / rh * weights[1]
    return torch.stack((dx, dy, torch.log(w / rw) * weights[2], torch.log(h / rh) * weights[3]), 1)


def decode(deltas: Tensor, reference: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Decode deltas (n,4) from reference boxes (n,4) into boxes (n,4), see `encode`."""
    w = reference[:, 2] - reference[:, 0]
    h = reference[:, 3] - reference[:, 1]
    cx = reference[:, 0] + w / 2 + deltas[:, 0] / weights[0] * w
    cy = reference[:, 1] + h / 2 + deltas[:, 1] / weights[1] * h
    half_w = torch.exp((deltas[:, 2] / weights[2]).clamp(max=MAX_LOG_SCALE)) * w / 2
    half_h = torch.exp((deltas[:, 3] / weights[3]).clamp(max=MAX_LOG_SCALE)) * h / 2
    return torch.stack((cx - half_w, cy - half_h, cx + half_w, cy + half_h), 1)


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Clip boxes (n,4) to an image of `height` x `width` pixels."""
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack(
        (x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)), 1
    )


def large_enough(boxes: Tensor, minimum: float) -> Tensor:
    """Tell for each box (n,4) whether both sides are at least `minimum` pixels.

    Returns:
        (n,) bool.
    """
    return (boxes[:, 2] - boxes[:, 0] >= minimum) & (boxes[:, 3] - boxes[:, 1] >= minimum)


def intersection_over(boxes: Tensor, others: Tensor) -> Tensor:
    """Compute the share (n,m) of each box (n,4) that lies inside each of `others` (m,4)."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    side = (high - low).clamp(min=0)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return side[..., 0] * side[..., 1] / area.clamp(min=1e-6)[:, None]


def with_batch_index(boxes: list[Tensor]) -> Tensor:
    """Join the boxes (n_i,4) of each image to RoIs (sum n_i,5) [image index, x1, y1, x2, y2]."""
    return torch.cat(
        [torch.cat((b.new_full((len(b), 1), float(i)), b), 1) for i, b in enumerate(boxes)]
    )


def paste_masks(
    masks: Tensor, boxes: Tensor, height: int, width: int, stride: int = 8, samples: int = 4
) -> Tensor:
    """Paste the masks of boxes into a coarse grid over the image, as area averages.

    Bilinear resampling is separable and linear. Each axis is a matrix of averaged interpolation
    weights, so two matrix products suffice. Shapes are static, and no gather is needed.

    Args:
        masks: (n,m,m) float, probabilities inside each box.
        boxes: (n,4) float32 xyxy pixels.
        height: image height, pixels.
        width: image width, pixels.
        stride: pixels per output cell.
        samples: sample points per cell and axis.

    Returns:
        (n,1,height/stride,width/stride) float in [0,1], the share of each cell that the mask
        covers.
    """
    size = masks.shape[-1]
    rows = _axis_weights(boxes[:, 1], boxes[:, 3], height, stride, samples, size)  # (n,h,m)
    columns = _axis_weights(boxes[:, 0], boxes[:, 2], width, stride, samples, size)  # (n,w,m)
    return (rows @ masks @ columns.transpose(1, 2))[:, None]


def _axis_weights(
    low: Tensor, high: Tensor, length: int, stride: int, samples: int, size: int
) -> Tensor:
    """Compute the weights (n,length/stride,size) of mask cells in output cells along an axis."""
    step = stride / samples
    points = (
        torch.arange(length * samples // stride, device=low.device, dtype=low.dtype) * step
        + step / 2
    )
    inside = (points >= low[:, None]) & (points < high[:, None])  # (n,points)
    position = (points - low[:, None]) / (high - low).clamp(min=1e-3)[:, None] * size - 0.5
    cells = torch.arange(size, device=low.device, dtype=low.dtype)
    weight = (1 - (position.clamp(0, size - 1)[..., None] - cells).abs()).clamp(min=0) * inside[
        ..., None
    ]
    return weight.view(len(low), length // stride, samples, size).mean(2)
