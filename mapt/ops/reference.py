"""Slow and simple versions of the operators in plain PyTorch, with which tests compare.

They accept any float type.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mapt.ops.propagate import DILATIONS, ROI_SIZE, STRIDE
from mapt.ops.roi_align import roi_levels


def bilinear(map: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Sample a map bilinearly.

    Args:
        map: (C,h,w). Cells outside it count as zero.
        y: (...) rows of the points, in cells, finite.
        x: (...) columns of the points, in cells, finite.

    Returns:
        (C,...).
    """
    h, w = map.shape[1:]
    low_y = y.floor()
    low_x = x.floor()
    out = map.new_zeros(map.shape[0], *y.shape)
    for dy in (0, 1):
        for dx in (0, 1):
            cell_y = low_y + dy
            cell_x = low_x + dx
            weight = (1 - (y - cell_y).abs()) * (1 - (x - cell_x).abs())
            inside = (cell_y >= 0) & (cell_y < h) & (cell_x >= 0) & (cell_x < w)
            index = torch.where(inside, cell_y * w + cell_x, 0).long()
            out = out + torch.where(inside, weight, 0) * map.flatten(1)[:, index]
    return out


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """Compute `mapt.ops.deform_conv2d` for one image and one tap at a time.

    Samples at offsets that are not finite are zero.
    """
    rows, columns = weight.shape[2:]
    oh, ow = offset.shape[2:]
    ys = torch.arange(oh, dtype=offset.dtype)[:, None] * stride - padding
    xs = torch.arange(ow, dtype=offset.dtype)[None] * stride - padding
    images = []
    for n in range(input.shape[0]):
        field = offset[n if offset.shape[0] > 1 else 0]
        image = input.new_zeros(weight.shape[0], oh, ow)
        for tap in range(rows * columns):
            dy = field[2 * tap]
            dx = field[2 * tap + 1]
            finite = dy.isfinite() & dx.isfinite()
            y = torch.where(finite, ys + tap // columns * dilation + dy, -1e6)
            x = torch.where(finite, xs + tap % columns * dilation + dx, -1e6)
            samples = bilinear(input[n], y, x)  # (C,oh,ow)
            image = image + torch.einsum(
                "oc,chw->ohw", weight[:, :, tap // columns, tap % columns], samples
            )
        images.append(image if bias is None else image + bias[:, None, None])
    return torch.stack(images) if images else input.new_zeros(0, weight.shape[0], oh, ow)


def multiscale_roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    output_size: int,
    strides: Sequence[int],
    sampling_ratio: int = 2,
) -> Tensor:
    """Compute `mapt.ops.multiscale_roi_align` for one box at a time."""
    levels = roi_levels(boxes[:, 1:]).tolist()
    rows = []
    for box, level in zip(boxes, levels, strict=True):
        feature = features[level][int(box[0])]
        rows.append(_aligned(feature, box[1:] / strides[level], output_size, sampling_ratio))
    shape = (0, features[0].shape[1], output_size, output_size)
    return torch.stack(rows) if rows else features[0].new_zeros(shape)


def _aligned(feature: Tensor, box: Tensor, size: int, ratio: int) -> Tensor:
    """Compute RoIAlign (F,size,size) of a box (4,) xyxy, in cells, on a map (F,h,w)."""
    x1, y1, x2, y2 = (box - 0.5).tolist()
    y = _samples(y1, y2, size, ratio, feature.shape[1])
    x = _samples(x1, x2, size, ratio, feature.shape[2])
    inside = torch.outer(y[1], x[1]).to(feature.dtype)
    grid = torch.meshgrid(y[0].to(feature.dtype), x[0].to(feature.dtype), indexing="ij")
    values = bilinear(feature, *grid) * inside  # (F,size*ratio,size*ratio)
    return torch.nn.functional.avg_pool2d(values[None], ratio)[0]


def _samples(low: float, high: float, size: int, ratio: int, cells: int) -> tuple[Tensor, Tensor]:
    """Compute sample points (size*ratio,) along one side of a box, clamped to the map.

    The second result is 1 for points in [-1, cells] before the clamp, and 0 for others.
    """
    step = (high - low) / (size * ratio)
    points = low + (torch.arange(size * ratio, dtype=torch.float64) + 0.5) * step
    return points.clamp(0, cells - 1), ((points >= -1) & (points <= cells)).double()


def propagate_masks(
    masks: Tensor, offsets: Tensor, weights: Tensor, projection: Tensor, bias: Tensor, boxes: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute `mapt.ops.propagate_masks` as the paper describes it (III-B).

    Four deformable convolutions give the features. A 1x1 convolution turns them into logits, and
    RoIAlign cuts them out.
    """
    fields = [
        deform_conv2d(masks, offsets[i : i + 1], weights[i], padding=d, dilation=d)
        for i, d in enumerate(DILATIONS)
    ]
    features = torch.cat(fields, 1)  # (N,4*C,h,w)
    logits = (features * projection[:, None, None]).sum(1, keepdim=True) + bias
    rows = []
    for feature, box in zip(features, boxes, strict=True):
        rows.append(_aligned(feature, box / STRIDE, ROI_SIZE, 2))
    return logits, (
        torch.stack(rows) if rows else features.new_zeros(0, features.shape[1], ROI_SIZE, ROI_SIZE)
    )
