"""The motion head's last step, collapsed: masks sampled through shared offsets, projected to mask logits."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor

from mapt.ops.deform_conv import deform_conv2d

DILATIONS = (1, 3, 6, 12)
STRIDE = 8
ROI_SIZE = 7


def propagate_masks(
    masks: Tensor,
    offsets: Tensor,
    weights: Tensor,
    projection: Tensor,
    bias: Tensor,
    boxes: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Carry masks into the next frame (paper III-B).

    Four deformable convolutions, one per dilation, and the 1x1 convolution behind them are linear, so for the masks
    they collapse into one output channel per dilation; the propagated features are needed only inside `boxes`.

    Args:
        masks: (N,1,h,w) float in [0,1], at 1/8.
        offsets: (4,18,h,w) float, the fields of dilations 1, 3, 6, 12, shared by every instance.
        weights: (4,C,1,3,3) float, the deformable filters.
        projection: (4*C,) float, the 1x1 convolution.
        bias: (1,) float.
        boxes: (N,4) float32 xyxy input pixels, or None.

    Returns:
        Propagated mask logits (N,1,h,w), and with boxes their features (N,4*C,7,7), RoIAligned at stride 8.
    """
    collapsed = (weights * projection.view(4, -1, 1, 1, 1)).sum(1, keepdim=True)  # (4,1,1,3,3)
    logits = bias.view(1, 1, 1, 1)
    for i, dilation in enumerate(DILATIONS):
        logits = logits + deform_conv2d(masks, offsets[i : i + 1], collapsed[i], padding=dilation, dilation=dilation)
    if boxes is None:
        return logits, None
    return logits, propagated_features(masks, offsets, weights, boxes)


def propagated_features(masks: Tensor, offsets: Tensor, weights: Tensor, boxes: Tensor) -> Tensor:
    """The propagated features of each mask inside its own box: (N,4*C,7,7); arguments as in `propagate_masks`."""
    fields = [
        deform_conv2d(masks, offsets[i : i + 1], weights[i], padding=dilation, dilation=dilation)
        for i, dilation in enumerate(DILATIONS)
    ]
    index = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)[:, None]
    rois = torch.cat((index, boxes), 1)
    features = torch.cat(fields, 1)  # (N,4*C,h,w)
    out: Tensor = torchvision.ops.roi_align(features, rois, ROI_SIZE, 1.0 / STRIDE, 2, aligned=True)
    return out
