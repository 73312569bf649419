"""Computes the motion head's last step in a collapsed form.

It samples masks through shared offsets, and projects the samples to mask logits.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor

from mapt.ops import compiled
from mapt.ops.deform_conv import deform_conv2d
from mapt.ops.nodes import node

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
    *,
    out: tuple[Tensor, Tensor | None] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Propagate masks into the next frame (paper III-B).

    The paper applies a deformable convolution for each dilation, and then a 1x1 convolution. All of
    them are linear, so for the mask logits they collapse into one output channel per dilation. The
    features between them are computed only inside `boxes`.

    Args:
        masks: (N,1,h,w) float in [0,1], at 1/8 of the input.
        offsets: (4,18,h,w) float, in cells. The fields of dilations 1, 3, 6 and 12 are shared by
            all masks.
        weights: (4,C,1,3,3) float, the deformable filters.
        projection: (4*C,) float, the 1x1 convolution.
        bias: (1,) float, of the 1x1 convolution.
        boxes: (N,4) float32 xyxy, in input pixels, or None.
        out: contiguous (N,1,h,w), and (N,4*C,7,7) or None, receive the results. They are not
            allowed when a gradient is required.

    Returns:
        The propagated mask logits (N,1,h,w), and the features (N,4*C,7,7) of each box by RoIAlign,
        or None without boxes.

    Raises:
        RuntimeError: shapes or types do not fit together, or `out` is given when a gradient is
            required.
    """
    tensors = (masks, offsets, weights, projection, bias)
    if torch.compiler.is_exporting():
        features = None if boxes is None else propagated_features(masks, offsets, weights, boxes)
        return node("PropagateMasks", tensors, masks.shape), features
    if out is not None:
        compiled.refuse_gradients(*tensors)
    if not compiled.usable(*tensors) or compiled.wants_gradient(*tensors):
        results = _composed(masks, offsets, weights, projection, bias, boxes)
    else:
        dtype = _value_type(*tensors)
        moved, field, *rest = tensors
        cast = (t.to(dtype) for t in rest)
        arguments = (moved.to(dtype), field.to(compiled.coordinate_type(dtype)), *cast, boxes)
        if out is not None and all(t is None or t.dtype == dtype for t in out):
            torch.ops.mapt.propagate_masks_out(*arguments, *out)
            return out
        logits, features = torch.ops.mapt.propagate_masks(*arguments)
        results = logits.to(masks.dtype), None if boxes is None else features.to(masks.dtype)
    if out is None:
        return results
    for target, result in zip(out, results, strict=True):
        if target is not None and result is not None:
            target.copy_(result)
    return out


def _composed(
    masks: Tensor,
    offsets: Tensor,
    weights: Tensor,
    projection: Tensor,
    bias: Tensor,
    boxes: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    collapsed = (weights * projection.view(4, -1, 1, 1, 1)).sum(1, keepdim=True)  # (4,1,1,3,3)
    logits = bias.view(1, 1, 1, 1)
    for i, dilation in enumerate(DILATIONS):
        logits = logits + deform_conv2d(
            masks, offsets[i : i + 1], collapsed[i], padding=dilation, dilation=dilation
        )
    if boxes is None:
        return logits, None
    return logits, propagated_features(masks, offsets, weights, boxes)


def propagated_features(masks: Tensor, offsets: Tensor, weights: Tensor, boxes: Tensor) -> Tensor:
    """Compute the propagated features of each mask inside its own box.

    Args:
        masks: (N,1,h,w) float in [0,1], at 1/8 of the input.
        offsets: (4,18,h,w) float, see `propagate_masks`.
        weights: (4,C,1,3,3) float, the deformable filters.
        boxes: (N,4) float32 xyxy, in input pixels.

    Returns:
        (N,4*C,7,7) of the masks' type.

    Raises:
        RuntimeError: shapes or types do not fit together.
    """
    if torch.compiler.is_exporting():
        shape = masks.shape[0], len(DILATIONS) * weights.shape[1], ROI_SIZE, ROI_SIZE
        return node("PropagatedFeatures", [masks, offsets, weights, boxes], shape)
    if compiled.usable(masks, offsets, weights) and not compiled.wants_gradient(
        masks, offsets, weights
    ):
        dtype = _value_type(masks, offsets, weights)
        field = offsets.to(compiled.coordinate_type(dtype))
        arguments = masks.to(dtype), field, weights.to(dtype), boxes
        found: Tensor = torch.ops.mapt.propagated_features(*arguments).to(masks.dtype)
        return found
    fields = [
        deform_conv2d(masks, offsets[i : i + 1], weights[i], padding=dilation, dilation=dilation)
        for i, dilation in enumerate(DILATIONS)
    ]
    index = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)[:, None]
    rois = torch.cat((index, boxes), 1)
    features = torch.cat(fields, 1)  # (N,4*C,h,w)
    out: Tensor = torchvision.ops.roi_align(features, rois, ROI_SIZE, 1.0 / STRIDE, 2, aligned=True)
    return out


def _value_type(masks: Tensor, offsets: Tensor, *weights: Tensor) -> torch.dtype:
    """Choose the type of masks and weights; offsets only matter if they are float64."""
    wide = offsets.dtype == torch.float64
    return offsets.dtype if wide else compiled.value_type(masks, *weights)


def _fake_propagated_features(
    masks: Tensor, offsets: Tensor, weights: Tensor, boxes: Tensor
) -> Tensor:
    return masks.new_empty(masks.shape[0], len(DILATIONS) * weights.shape[1], ROI_SIZE, ROI_SIZE)


def _fake_propagate_masks(
    masks: Tensor,
    offsets: Tensor,
    weights: Tensor,
    projection: Tensor,
    bias: Tensor,
    boxes: Tensor | None,
) -> tuple[Tensor, Tensor]:
    features = (
        masks.new_empty(0)
        if boxes is None
        else _fake_propagated_features(masks, offsets, weights, boxes)
    )
    return torch.empty_like(masks, memory_format=torch.contiguous_format), features


compiled.register("propagate_masks", _fake_propagate_masks)
compiled.register("propagate_masks_out", compiled.fake_nothing)
compiled.register("propagated_features", _fake_propagated_features)
compiled.register("propagated_features_out", compiled.fake_nothing)
