"""The `standard` lowering: MAPT's operators as ONNX's DeformConv and RoiAlign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mapt.export.lowering.graph_rewriter import Shapes
from mapt.export.lowering.node_builder import Builder, Rule, attributes
from mapt.ops.propagate import DILATIONS, ROI_SIZE, STRIDE
from mapt.ops.roi_align import LEVEL_AREAS


def _deform_conv2d(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """DeformConv; ONNX's has an offset field per sample."""
    image, offset, weight, *bias = node.input
    batch = shapes[image][0]
    if shapes[offset][0] != batch:
        offset = b.op("Expand", offset, b.constant((batch, *shapes[offset][1:]), np.int64))
    a = attributes(node)
    b.op(
        "DeformConv",
        image,
        weight,
        offset,
        *bias,
        output=node.output[0],
        strides=[a["stride"]] * 2,
        pads=[a["padding"]] * 4,
        dilations=[a["dilation"]] * 2,
    )


def _shared_fields(
    b: Builder, masks: str, offsets: str, filters: NDArray[Any], shapes: Shapes
) -> list[str]:
    """Masks (N,1,h,w) under each of the four fields, filters (4,C,1,3,3) -> four times (1,N*C,h,w).

    The masks are the channels of a grouped convolution, so that their coordinates are computed
    once.
    """
    count, _, height, width = shapes[masks]
    channels = b.reshape(masks, (1, count, height, width))
    return [
        b.op(
            "DeformConv",
            channels,
            b.constant(np.tile(filters[i], (count, 1, 1, 1))),
            b.pick(offsets, [i], 0),
            group=count,
            pads=[dilation] * 4,
            dilations=[dilation] * 2,
        )
        for i, dilation in enumerate(DILATIONS)
    ]


def _propagate_masks(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """Lower the propagation of masks to deformable convolutions and their sum.

    The 1x1 convolution is folded into the deformable ones.
    """
    masks, offsets, weights, projection, bias = node.input
    filters = b.value(weights)  # (4,C,1,3,3)
    collapsed = (filters * b.value(projection).reshape(len(DILATIONS), -1, 1, 1, 1)).sum(
        1, keepdims=True
    )
    total = bias
    for field in _shared_fields(b, masks, offsets, collapsed, shapes):
        total = b.op("Add", field, total)
    b.reshape(total, shapes[masks], output=node.output[0])


def _propagated_features(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """All filters' maps, and each box's share of its own mask's."""
    masks, offsets, weights, boxes = node.input
    filters = b.value(weights)
    count, _, height, width = shapes[masks]
    fields = _shared_fields(b, masks, offsets, filters, shapes)
    maps = [b.reshape(field, (count, filters.shape[1], height, width)) for field in fields]
    _pool(
        b,
        b.op("Concat", *maps, axis=1),
        boxes,
        b.constant(range(count), np.int64),
        ROI_SIZE,
        2,
        node.output[0],
        1.0 / STRIDE,
    )


def _multiscale_roi_align(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """Lower to one RoiAlign on a map that holds all levels.

    It is exact for boxes inside the image.
    """
    *levels, rois = node.input
    a = attributes(node)
    atlas, corners = _pack(b, levels, shapes)
    boxes = b.pick(rois, [1, 2, 3, 4], 1)
    level = _level(b, boxes)
    scale = b.op("Gather", b.constant([[1.0 / s] for s in a["strides"]]), level)  # (R,1)
    corner = b.op("Gather", b.constant([2 * c for c in corners]), level)  # (R,4)
    placed = b.op("Add", b.op("Mul", boxes, scale), corner)
    image = b.op("Cast", b.pick(rois, 0, 1), to=onnx.TensorProto.INT64)
    _pool(b, atlas, placed, image, a["output_size"], a["sampling_ratio"], node.output[0])


def _pack(b: Builder, levels: Sequence[str], shapes: Shapes) -> tuple[str, list[list[float]]]:
    """The atlas (B,F,h,w), and where [x, y] each level's corner lies in it.

    P4 lies on top, P8 | P16 | P32 below, each with one pixel of replicated border, which is all
    that a box inside the image can reach.
    """
    sizes = [(shapes[level][2] + 2, shapes[level][3] + 2) for level in levels]
    height = sizes[1][0]
    widths = [w for _, w in sizes[1:]]
    width = max(sizes[0][1], sum(widths))
    top, *rest = (
        b.op("Pad", level, b.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="edge")
        for level in levels
    )
    row = [_fill(b, part, height - own[0], 0) for part, own in zip(rest, sizes[1:], strict=True)]
    below = _fill(b, b.op("Concat", *row, axis=3), 0, width - sum(widths))
    atlas = b.op("Concat", _fill(b, top, 0, width - sizes[0][1]), below, axis=2)
    lefts = np.cumsum([0, *widths])[: len(widths)]
    return atlas, [[1.0, 1.0], *([float(left) + 1, sizes[0][0] + 1.0] for left in lefts)]


def _fill(b: Builder, image: str, bottom: int, right: int) -> str:
    """Pad with zeros below and to the right."""
    return (
        b.op("Pad", image, b.constant([0, 0, 0, 0, 0, 0, bottom, right], np.int64))
        if bottom or right
        else image
    )


def _level(b: Builder, boxes: str) -> str:
    """`mapt.ops.roi_align.roi_levels` of boxes (R,4): (R,) int64."""
    x1, y1, x2, y2 = (b.pick(boxes, k, 1) for k in range(4))
    area = b.op("Mul", b.op("Sub", x2, x1), b.op("Sub", y2, y1))
    reached = [b.op("GreaterOrEqual", area, b.constant(limit)) for limit in LEVEL_AREAS]
    first, second, third = (b.op("Cast", r, to=onnx.TensorProto.INT64) for r in reached)
    return b.op("Add", b.op("Add", first, second), third)


def _pool(
    b: Builder,
    image: str,
    boxes: str,
    index: str,
    size: int,
    ratio: int,
    output: str,
    scale: float = 1.0,
) -> None:
    """RoiAlign, half-pixel aligned."""
    b.op(
        "RoiAlign",
        image,
        boxes,
        index,
        output=output,
        coordinate_transformation_mode="half_pixel",
        mode="avg",
        output_height=size,
        output_width=size,
        sampling_ratio=ratio,
        spatial_scale=scale,
    )


STANDARD: dict[str, Rule] = {
    "DeformConv2d": _deform_conv2d,
    "MultiscaleRoiAlign": _multiscale_roi_align,
    "PropagateMasks": _propagate_masks,
    "PropagatedFeatures": _propagated_features,
}
