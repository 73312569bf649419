"""The cases that run operators forward, beside torchvision and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchvision
from torch import Tensor, nn

from mapt import ops
from mapt.bench.kernels.case import (
    HEIGHT,
    STRIDES,
    WIDTH,
    Call,
    Case,
    blobs,
    normal,
    random_boxes,
)
from mapt.bench.kernels.onnx_calls import deform_session, roi_session
from mapt.ops.propagate import DILATIONS


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


def roi_cases(
    threads: int | None,
    channels: int = 256,
    shapes: Sequence[tuple[int, int]] = ((1000, 7), (100, 14)),
    dtype: torch.dtype = torch.float32,
    order: torch.memory_format = torch.contiguous_format,
) -> list[Case]:
    """RoIAlign over P4..P32.

    Args:
        threads: of ONNX Runtime; None: it is left out.
        channels: of the features.
        shapes: boxes and output size of each case.
        dtype: of the features.
        order: of the features in memory.
    """
    features = [
        torch.rand(1, channels, HEIGHT // s, WIDTH // s).to(dtype, memory_format=order)
        for s in STRIDES
    ]
    laid = ", channels-last" if order is torch.channels_last else ""
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
                f"multiscale_roi_align, {count} x {channels} x {size}x{size}{laid}",
                ours,
                others,
                32 * out.numel(),
                amount,
            )
        )
    return cases


def convolution_case(
    threads: int | None,
    shape: tuple[int, int, int] = (64, 94, 311),
    dtype: torch.dtype = torch.float32,
) -> Case:
    """Return the case of an ordinary deformable convolution of `shape` (channels, height, width).

    For `threads` see `motion_cases`. With half precision, torchvision's offsets have it too.
    """
    c, h, w = shape
    x = normal(1, c, h, w).to(dtype)
    offset = normal(1, 18, h, w)
    weight = normal(c, c, 3, 3, scale=0.1).to(dtype)
    out = torch.empty(1, c, h, w, dtype=dtype)
    narrow = offset.to(dtype)
    others: dict[str, Call] = {
        "torchvision": lambda: torchvision.ops.deform_conv2d(x, narrow, weight, padding=1)
    }
    if threads is not None:
        others["ONNX Runtime"] = deform_session(x, offset, weight, 1, 1, 1, threads)
    flops = h * w * 9 * c * (2 * c + 8)
    values = x.numel() + weight.numel() + out.numel()
    amount = dtype.itemsize * values + 4 * offset.numel()
    ours = lambda: ops.deform_conv2d(x, offset, weight, padding=1, out=out)  # noqa: E731
    kind = "" if dtype == torch.float32 else f", {str(dtype).removeprefix('torch.')}"
    return Case(f"deform_conv2d, {c} -> {c}, {h}x{w}{kind}", ours, others, flops, amount)
