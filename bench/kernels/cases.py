"""The cases that compare the compiled operators with torchvision and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from onnx import TensorProto, helper
from torch import Tensor, nn

from mapt import ops
from mapt.export.lowering.lowering import lower
from mapt.ops.nodes import DOMAIN
from mapt.ops.propagate import DILATIONS
from mapt.ops.roi_align import LEVEL_AREAS, roi_levels

STRIDES = (4, 8, 16, 32)
HEIGHT = 384
WIDTH = 1248

Call = Callable[[], object]


@dataclass
class Case:
    """One case: an operator with its inputs, and its contenders.

    Attributes:
        name: what it is.
        ours: the compiled operator.
        others: contenders by name.
        flops: multiplications and additions.
        bytes: inputs and outputs, each once.
        seconds: medians by contender, "ours" among them, once measured.
    """

    name: str
    ours: Call
    others: dict[str, Call]
    flops: float
    bytes: float
    seconds: dict[str, float] = field(default_factory=dict)


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    """Normal random numbers."""
    return torch.randn(*shape) * scale


def blobs(count: int, height: int, width: int) -> Tensor:
    """Masks (count,1,h,w) of one filled ellipse each, sizes as of cars and people at 1/8."""
    y = torch.arange(height)[:, None]
    x = torch.arange(width)[None]
    centre = torch.rand(count, 2)
    radius = torch.rand(count, 2) * torch.tensor([5.0, 8.0]) + 2
    inside = [
        ((y - c[0] * height) / r[0]) ** 2 + ((x - c[1] * width) / r[1]) ** 2 < 1
        for c, r in zip(centre, radius, strict=True)
    ]
    return torch.stack(inside)[:, None].float()


def make_model(
    node: onnx.NodeProto, feeds: dict[str, Tensor], constants: dict[str, Tensor]
) -> onnx.ModelProto:
    """Build an ONNX model of one node."""
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, list(t.shape)) for n, t in feeds.items()
    ]
    values = [onnx.numpy_helper.from_array(t.numpy(), n) for n, t in constants.items()]
    graph = helper.make_graph(
        [node], "one", inputs, [helper.make_empty_tensor_value_info("out")], values
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def session(
    node: onnx.NodeProto, feeds: dict[str, Tensor], constants: dict[str, Tensor], threads: int
) -> Call:
    """One ONNX node on ONNX Runtime's CPU provider."""
    model = make_model(node, feeds, constants)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    run = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    arrays: dict[str, Any] = {n: np.ascontiguousarray(t.numpy()) for n, t in feeds.items()}
    return lambda: run.run(None, arrays)


def deform_session(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    padding: int,
    dilation: int,
    groups: int,
    threads: int,
) -> Call:
    """ONNX Runtime's DeformConv."""
    attributes = {
        "pads": [padding] * 4,
        "dilations": [dilation] * 2,
        "group": groups,
        "kernel_shape": [3, 3],
    }
    node = helper.make_node(
        "DeformConv", ["x", "weight", "offset"], ["out"], None, None, None, None, **attributes
    )
    return session(node, {"x": x, "offset": offset}, {"weight": weight}, threads)


def motion_cases(threads: int | None) -> list[Case]:
    """Return the cases of twenty masks sampled through the motion head's four offset fields.

    The masks share the fields. If `threads` is None, ONNX Runtime is not measured.
    """
    count = 20
    filters = 16
    h = HEIGHT // 8
    w = WIDTH // 8
    masks = torch.rand(count, 1, h, w)
    some = blobs(count, h, w)
    offsets = normal(4, 18, h, w, scale=2)
    weights = normal(4, filters, 1, 3, 3)
    projection = normal(4 * filters)
    bias = normal(1)
    outs = [torch.empty(count, filters, h, w) for _ in DILATIONS]
    logits = torch.empty(count, 1, h, w)

    def sessions(filters: Sequence[Tensor], threads: int) -> list[Call]:
        """Create ONNX Runtime's calls, with the masks as channels of a grouped convolution.

        So ONNX Runtime, too, computes the coordinates only once.
        """
        channels = masks.transpose(0, 1)
        return [
            deform_session(
                channels,
                offsets[i : i + 1],
                filters[i].repeat(count, 1, 1, 1),
                d,
                d,
                count,
                threads,
            )
            for i, d in enumerate(DILATIONS)
        ]

    collapsed = (weights * projection.view(4, -1, 1, 1, 1)).sum(1, True)
    onnx_grouped = dict[str, Call]()
    onnx_single = dict[str, Call]()
    if threads is not None:
        grouped = sessions(list(weights), threads)
        single = sessions(list(collapsed), threads)
        onnx_grouped["ONNX Runtime"] = lambda: [run() for run in grouped]
        onnx_single["ONNX Runtime"] = lambda: [run() for run in single]

    def ours(out: bool) -> None:
        for i, d in enumerate(DILATIONS):
            ops.deform_conv2d(
                masks,
                offsets[i : i + 1],
                weights[i],
                padding=d,
                dilation=d,
                out=outs[i] if out else None,
            )

    def theirs() -> list[Tensor]:
        return [
            torchvision.ops.deform_conv2d(
                masks,
                offsets[i : i + 1].expand(count, -1, -1, -1),
                weights[i],
                padding=d,
                dilation=d,
            )
            for i, d in enumerate(DILATIONS)
        ]

    def projected() -> Tensor:
        return nn.functional.conv2d(torch.cat(theirs(), 1), projection.view(1, -1, 1, 1), bias)

    cells = count * h * w
    sampling = 2 * 4 * 36 * cells
    reads = 4 * (masks.numel() + offsets.numel())
    writes = 4 * 4 * filters * cells
    whole = {"torchvision": projected, **onnx_single}
    return [
        Case(
            f"4 shared deform_conv2d, {count} x 1 -> {filters}, {h}x{w}, into out=",
            lambda: ours(True),
            {"torchvision": theirs, **onnx_grouped},
            sampling + 2 * 36 * filters * cells,
            reads + writes,
        ),
        Case(
            "the same into new memory",
            lambda: ours(False),
            {},
            sampling + 2 * 36 * filters * cells,
            reads + writes,
        ),
        Case(
            "propagate_masks, dense masks",
            lambda: ops.propagate_masks(
                masks, offsets, weights, projection, bias, out=(logits, None)
            ),
            whole,
            sampling,
            reads + 4 * cells,
        ),
        Case(
            "propagate_masks, ellipses",
            lambda: ops.propagate_masks(
                some, offsets, weights, projection, bias, out=(logits, None)
            ),
            whole,
            sampling,
            reads + 4 * cells,
        ),
    ]


def random_boxes(count: int) -> Tensor:
    """Draw boxes (count,5) of all pyramid levels inside the image.

    Their sides are 8 to 600 pixels long. Small ones are more frequent.
    """
    side = 8 * 75 ** torch.rand(count, 2)
    corner = torch.rand(count, 2) * (torch.tensor([WIDTH, HEIGHT]) - side).clamp(min=0)
    end = torch.minimum(corner + side, torch.tensor([float(WIDTH), float(HEIGHT)]))
    return torch.cat((torch.zeros(count, 1), corner, end), 1)


def roi_session(features: list[Tensor], boxes: Tensor, size: int, threads: int) -> Call:
    """Create a call of ONNX Runtime's RoiAlign on all levels packed into one map.

    The exported graphs pack the levels in the same way. Here they are packed beforehand, so packing
    is not timed.
    """
    feeds = {f"p{s}": f for s, f in zip(STRIDES, features, strict=True)} | {"boxes": boxes}
    node = helper.make_node(
        "MultiscaleRoiAlign",
        list(feeds),
        ["out"],
        domain=DOMAIN,
        output_size=size,
        strides=STRIDES,
        sampling_ratio=2,
    )
    model = make_model(node, feeds, {})
    lower(model, "standard")
    pool = model.graph.node.pop()
    del model.graph.output[:]
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in pool.input)
    packed = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    arrays = packed.run(None, {n: t.numpy() for n, t in feeds.items()})
    atlas, rois, image = (torch.from_numpy(a) for a in arrays)
    pool.input[:] = ["x", "rois", "image"]
    pool.output[:] = ["out"]
    return session(pool, {"x": atlas, "rois": rois}, {"image": image}, threads)


def roi_cases(
    threads: int | None,
    channels: int = 256,
    shapes: Sequence[tuple[int, int]] = ((1000, 7), (100, 14)),
    dtype: torch.dtype = torch.float32,
) -> list[Case]:
    """RoIAlign over P4..P32.

    Args:
        threads: of ONNX Runtime; None: it is left out.
        channels: of the features.
        shapes: boxes and output size of each case.
        dtype: of the features.
    """
    features = [torch.rand(1, channels, HEIGHT // s, WIDTH // s).to(dtype) for s in STRIDES]
    named = dict(zip("0123", features, strict=True))
    cases = []
    for count, size in shapes:
        boxes = random_boxes(count)
        out = torch.empty(count, channels, size, size, dtype=dtype)
        pooler = torchvision.ops.MultiScaleRoIAlign(list("0123"), size, 2)

        def theirs(pooler: nn.Module = pooler, boxes: Tensor = boxes) -> object:
            return pooler(named, [boxes[:, 1:].to(dtype)], [(HEIGHT, WIDTH)])

        def ours(boxes: Tensor = boxes, size: int = size, out: Tensor = out) -> object:
            return ops.multiscale_roi_align(features, boxes, size, STRIDES, out=out)

        others: dict[str, Call] = {"torchvision": theirs}
        if threads is not None:
            others["ONNX Runtime"] = roi_session(features, boxes, size, threads)
        amount = dtype.itemsize * (sum(f.numel() for f in features) + out.numel())
        cases.append(
            Case(
                f"multiscale_roi_align, {count} x {channels} x {size}x{size}",
                ours,
                others,
                32 * out.numel(),
                amount,
            )
        )
    return cases


def convolution_case(threads: int | None, shape: tuple[int, int, int] = (64, 94, 311)) -> Case:
    """Return the case of an ordinary deformable convolution of `shape` (channels, height, width).

    For `threads` see `motion_cases`.
    """
    c, h, w = shape
    x = normal(1, c, h, w)
    offset = normal(1, 18, h, w)
    weight = normal(c, c, 3, 3, scale=0.1)
    out = torch.empty(1, c, h, w)
    others: dict[str, Call] = {
        "torchvision": lambda: torchvision.ops.deform_conv2d(x, offset, weight, padding=1)
    }
    if threads is not None:
        others["ONNX Runtime"] = deform_session(x, offset, weight, 1, 1, 1, threads)
    flops = h * w * 9 * c * (2 * c + 8)
    amount = 4 * (x.numel() + offset.numel() + weight.numel() + out.numel())
    ours = lambda: ops.deform_conv2d(x, offset, weight, padding=1, out=out)  # noqa: E731
    return Case(f"deform_conv2d, {c} -> {c}, {h}x{w}", ours, others, flops, amount)


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


def training_cases() -> list[Case]:
    """Return the cases that training runs."""
    h = HEIGHT // 8
    w = WIDTH // 8
    count = 20
    filters = 16
    c = 64
    features = [torch.rand(1, 256, HEIGHT // s, WIDTH // s) for s in STRIDES]
    boxes = random_boxes(1000)
    assert len(roi_levels(boxes[:, 1:]).unique()) == len(LEVEL_AREAS) + 1

    def per_level(*levels: Tensor) -> Tensor:
        with ops.disabled():
            return ops.multiscale_roi_align(levels, boxes, 7, STRIDES)

    def ours(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        return ops.deform_conv2d(x, offset, weight, padding=1)

    def theirs(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        out: Tensor = torchvision.ops.deform_conv2d(x, offset, weight, padding=1)
        return out

    def shared(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        return theirs(x, offset.expand(count, -1, -1, -1), weight)

    masks = [torch.rand(count, 1, h, w), normal(1, 18, h, w), normal(filters, 1, 3, 3)]
    plain = [normal(1, c, 94, 311), normal(1, 18, 94, 311), normal(c, c, 3, 3, scale=0.1)]
    return [
        training_case(
            f"shared deform_conv2d, {count} x 1 -> {filters}",
            ours,
            shared,
            masks,
            count * h * w * 9 * (6 * filters + 40),
        ),
        training_case(
            f"deform_conv2d, {c} -> {c}",
            ours,
            theirs,
            plain,
            94 * 311 * 9 * c * (6 * c + 40),
        ),
        training_case(
            "multiscale_roi_align, 1000 x 256 x 7x7",
            lambda *f: ops.multiscale_roi_align(f, boxes, 7, STRIDES),
            per_level,
            features,
            2 * 32 * 1000 * 256 * 49,
        ),
    ]
