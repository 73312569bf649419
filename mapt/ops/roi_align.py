"""RoIAlign over a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor

from mapt.ops import compiled
from mapt.ops.nodes import node

LEVEL_AREAS = (112.0**2, 224.0**2, 448.0**2)


def roi_levels(boxes: Tensor) -> Tensor:
    """Choose the pyramid level of each box by its area (Lin et al., 2017, Eq. 1).

    Areas are compared with constants. A logarithm might round to another level in some backend.

    Args:
        boxes: (R,4) float32 xyxy, in input pixels.

    Returns:
        (R,) int64 in 0..3.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    first, second, third = LEVEL_AREAS
    return (area >= first).long() + (area >= second).long() + (area >= third).long()


def multiscale_roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    output_size: int,
    strides: Sequence[int],
    sampling_ratio: int = 2,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Compute RoIAlign (He et al., 2017) of each box on the pyramid level of its area.

    Args:
        features: P4..P32, each (B,F,h,w) float.
        boxes: (R,5) float32, [image index, x1, y1, x2, y2] in input pixels.
        output_size: side of the square output, in cells.
        strides: pixels per cell of each feature map.
        sampling_ratio: samples per output cell and axis.
        out: (R,F,output_size,output_size) contiguous, receives the result. It is not allowed when a
            gradient is required.

    Returns:
        (R,F,output_size,output_size) of the features' type, as torchvision's
        `roi_align(aligned=True)` gives it on the box's level. Samples at NaN coordinates are zero.

    Raises:
        RuntimeError: shapes do not fit together, a box has no such image, or `out` is given when a
            gradient is required. Compiled CUDA operators give zeros for a box of no image.
    """
    if torch.compiler.is_exporting():
        shape = boxes.shape[0], features[0].shape[1], output_size, output_size
        return node(
            "MultiscaleRoiAlign",
            [*features, boxes],
            shape,
            {
                "output_size": output_size,
                "strides": list(strides),
                "sampling_ratio": sampling_ratio,
            },
        )
    if out is not None:
        compiled.refuse_gradients(*features)
    if not compiled.usable(*features, boxes):
        result = _level_by_level(features, boxes, output_size, strides, sampling_ratio)
        return result if out is None else out.copy_(result)
    dtype = compiled.value_type(*features, gradient=compiled.wants_gradient(*features))
    arguments = (
        [f.to(dtype) for f in features],
        boxes.detach(),
        output_size,
        list(strides),
        sampling_ratio,
    )
    if out is not None and out.dtype == dtype:
        torch.ops.mapt.multiscale_roi_align_out(*arguments, out)
        return out
    result = torch.ops.mapt.multiscale_roi_align(*arguments).to(features[0].dtype)
    return result if out is None else out.copy_(result)


def _level_by_level(
    features: Sequence[Tensor],
    boxes: Tensor,
    output_size: int,
    strides: Sequence[int],
    sampling_ratio: int,
) -> Tensor:
    out = features[0].new_zeros(len(boxes), features[0].shape[1], output_size, output_size)
    levels = roi_levels(boxes[:, 1:])
    for level, (feature, stride) in enumerate(zip(features, strides, strict=True)):
        if boxes.is_cuda:
            # Pool every box on every level. To choose some, the host would wait for the GPU.
            aligned = torchvision.ops.roi_align(
                feature, boxes, output_size, 1.0 / stride, sampling_ratio, aligned=True
            )
            out = torch.where((levels == level)[:, None, None, None], aligned.to(out.dtype), out)
            continue
        rows = torch.nonzero(levels == level)[:, 0]
        if len(rows):
            aligned = torchvision.ops.roi_align(
                feature, boxes[rows], output_size, 1.0 / stride, sampling_ratio, aligned=True
            )
            out = out.index_put((rows,), aligned.to(out.dtype))
    return out


def _fake_roi_align(
    features: Sequence[Tensor],
    boxes: Tensor,
    output_size: int,
    strides: Sequence[int],
    sampling_ratio: int,
) -> Tensor:
    return features[0].new_empty(boxes.shape[0], features[0].shape[1], output_size, output_size)


def _fake_roi_align_backward(
    grad: Tensor,
    boxes: Tensor,
    heights: Sequence[int],
    widths: Sequence[int],
    batch: int,
    strides: Sequence[int],
    sampling_ratio: int,
) -> list[Tensor]:
    return [
        grad.new_empty(batch, grad.shape[1], h, w) for h, w in zip(heights, widths, strict=True)
    ]


def _save_roi_align(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, boxes, _, strides, ratio = inputs
    ctx.save_for_backward(boxes)
    ctx.sizes = (
        [f.shape[2] for f in features],
        [f.shape[3] for f in features],
        features[0].shape[0],
        strides,
        ratio,
    )


def _roi_align_gradient(ctx: Any, grad: Tensor) -> tuple[list[Tensor] | None, ...]:
    (boxes,) = ctx.saved_tensors
    wide = grad.to(compiled.working_type(grad))
    grads = torch.ops.mapt.multiscale_roi_align_backward(wide, boxes, *ctx.sizes)
    return (
        [found.to(grad.dtype) for found in grads],
        None,
        None,
        None,
        None,
    )


compiled.register("multiscale_roi_align", _fake_roi_align, _roi_align_gradient, _save_roi_align)
compiled.register("multiscale_roi_align_out", compiled.fake_nothing)
compiled.register("multiscale_roi_align_backward", _fake_roi_align_backward)
