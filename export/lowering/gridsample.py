"""The `gridsample` lowering, which builds without plugins.

It expresses DeformConv and RoiAlign as GridSample and matrix products.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from mapt.export.lowering.graph_rewriter import Shapes, static_shapes
from mapt.export.lowering.node_builder import Builder, Rule, attributes, rewrite


def lower_gridsample(model: onnx.ModelProto) -> None:
    """Replace every DeformConv and RoiAlign of a graph with static shapes, in place.

    Raises:
        RuntimeError: a node of a form that MAPT's graphs do not have; a fault of this program, not
            of its user.
    """
    rewrite(model.graph, _LOWERINGS, static_shapes(model), "g")


def _normalise(b: Builder, coordinate: str, size: int) -> str:
    """Pixel centres 0..size-1 to GridSample's -1..1."""
    scaled = b.op("Mul", coordinate, b.constant(2 / max(size - 1, 1)))
    return b.op("Sub", scaled, b.constant(1.0))


def _sample(b: Builder, image: str, x: str, y: str, grid: tuple[int, ...], padding: str) -> str:
    """Append a GridSample of `image` at normalised coordinates x and y.

    Their shapes are those of the grid (n,rows,columns).
    """
    last = b.constant([-1], np.int64)
    pairs = b.op("Concat", b.op("Unsqueeze", x, last), b.op("Unsqueeze", y, last), axis=-1)
    return b.op(
        "GridSample",
        image,
        b.reshape(pairs, (*grid, 2)),
        mode="linear",
        padding_mode=padding,
        align_corners=1,
    )


def _deform_conv(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """Lower a DeformConv to one GridSample and a product with the filters.

    The GridSample takes the samples of all taps, as (taps * rows, columns).
    """
    image, weight, offset, *rest = node.input
    n, channels, height, width = shapes[image]
    filters, _, kh, kw = shapes[weight]
    rows, columns = shapes[offset][2:]
    a = attributes(
        node, group=1, offset_group=1, dilations=[1, 1], strides=[1, 1], pads=[0, 0, 0, 0]
    )
    if a["offset_group"] != 1 or any(rest[1:]):
        raise RuntimeError(f"{node.name}: offset groups and modulation masks have no lowering")
    dilation_y, dilation_x = a["dilations"]
    stride_y, stride_x = a["strides"]
    top, left = a["pads"][:2]
    groups = int(a["group"])
    taps = kh * kw
    tap_y, tap_x = (v.reshape(1, taps, 1, 1) for v in np.mgrid[:kh, :kw])
    base_y = tap_y * dilation_y - top + np.arange(rows).reshape(1, 1, rows, 1) * stride_y
    base_x = tap_x * dilation_x - left + np.arange(columns) * stride_x
    pairs = b.reshape(offset, (n, taps, 2, rows, columns))
    dy, dx = (b.pick(pairs, k, 2) for k in (0, 1))
    x = _normalise(b, b.op("Add", dx, b.constant(base_x)), width)
    y = _normalise(b, b.op("Add", dy, b.constant(base_y)), height)
    samples = _sample(b, image, x, y, (n, taps * rows, columns), "zeros")  # (n,C,taps*rows,columns)
    per_group = channels // groups * taps
    samples = b.reshape(samples, (n, groups, per_group, rows * columns))
    product = b.op("MatMul", b.reshape(weight, (1, groups, filters // groups, per_group)), samples)
    bias = rest[0] if rest else ""
    out = b.reshape(product, (n, filters, rows, columns), output="" if bias else node.output[0])
    if bias:
        b.op("Add", out, b.reshape(bias, (1, filters, 1, 1)), output=node.output[0])


def _roi_align(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """Lower a RoiAlign to one GridSample and averages.

    The GridSample takes all sample points of all boxes. The result is exact for boxes inside the
    image.
    """
    image, boxes, index = node.input
    n, channels, height, width = shapes[image]
    count = shapes[boxes][0]
    a = attributes(
        node,
        coordinate_transformation_mode=b"half_pixel",
        mode=b"avg",
        sampling_ratio=0,
        spatial_scale=1.0,
    )
    size = int(a["output_height"])
    ratio = int(a["sampling_ratio"])
    known = (a["coordinate_transformation_mode"], a["mode"], a["output_width"]) == (
        b"half_pixel",
        b"avg",
        size,
    )
    if (
        not known
        or ratio < 1
        or n not in (1, count)
        or (n > 1 and not _counts_up(b.graph, index, n))
    ):
        raise RuntimeError(f"{node.name}: a RoiAlign of this form has no lowering")
    points = size * ratio
    shares = (np.arange(points) + 0.5) / points
    scaled = b.op("Mul", boxes, b.constant(a["spatial_scale"]))
    scaled = b.op("Sub", scaled, b.constant(0.5))
    x1, y1, x2, y2 = (b.reshape(b.pick(scaled, k, 1), (count, 1, 1)) for k in range(4))
    x = b.op("Add", x1, b.op("Mul", b.op("Sub", x2, x1), b.constant(shares.reshape(1, 1, points))))
    y = b.op("Add", y1, b.op("Mul", b.op("Sub", y2, y1), b.constant(shares.reshape(1, points, 1))))
    shape = b.constant((count, points, points), np.int64)
    x = b.op("Expand", _normalise(b, x, width), shape)
    y = b.op("Expand", _normalise(b, y, height), shape)
    grid = (1, count * points, points) if n == 1 else (count, points, points)
    samples = _sample(b, image, x, y, grid, "border")
    pooled = b.op("AveragePool", samples, kernel_shape=[ratio, ratio], strides=[ratio, ratio])
    if n == 1:
        pooled = b.op(
            "Transpose", b.reshape(pooled, (channels, count, size, size)), perm=[1, 0, 2, 3]
        )
    b.reshape(pooled, (count, channels, size, size), output=node.output[0])


def _counts_up(graph: onnx.GraphProto, name: str, count: int) -> bool:
    """Tell whether `name` counts the boxes 0, 1, ... count - 1.

    It is either that constant, or the first column of boxes whose first part is that constant.
    """
    constant = next((t for t in graph.initializer if t.name == name), None)
    if constant is not None:
        return np.array_equal(numpy_helper.to_array(constant).ravel(), np.arange(count))
    source = next((n for n in graph.node if name in n.output), None)
    return (
        source is not None
        and source.op_type in _FOLLOWED
        and _counts_up(graph, source.input[0], count)
    )


_FOLLOWED = (
    "Cast",
    "Squeeze",
    "Slice",
    "Concat",
)  # through which the first input's first column stays itself
_LOWERINGS: dict[str, Rule] = {"DeformConv": _deform_conv, "RoiAlign": _roi_align}
