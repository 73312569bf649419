"""The operators compiled from csrc/, where they are built: loading, fake tensors and gradients."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_enabled = True  # see `disabled`


def _load(name: str) -> str:
    """Load a library beside this file; what is in the way, or nothing.

    MAPT_OPS=torchvision in the environment leaves it alone.
    """
    if os.environ.get("MAPT_OPS") == "torchvision":
        return "MAPT_OPS=torchvision"
    built = sorted(Path(__file__).parent.glob(f"{name}*.so"))
    if not built:
        return "they are not built; `mapt doctor` says why"
    try:
        torch.ops.load_library(str(built[0]))
        return ""
    except OSError as error:
        return f"{built[0].name} does not load: {error}"


MISSING = _load("_kernels")  # why the compiled operators are not there; empty where they are
MISSING_CUDA = MISSING or _load("_cuda")  # and those for CUDA tensors


def implementation() -> str:
    """What computes the operators on this machine: "compiled (avx512)" or "torchvision"."""
    return "torchvision" if MISSING else f"compiled ({torch.ops.mapt.cpu_isa()})"


def usable(*tensors: Tensor) -> bool:
    """Do the compiled operators take these tensors, here and now?

    Not while a graph is exported (`mapt.ops.nodes`). Where they are missing, the first question is
    answered aloud.
    """
    if torch.compiler.is_exporting() or not _enabled:
        return False
    devices = {t.device.type for t in tensors}
    missing = MISSING_CUDA if "cuda" in devices else MISSING
    if missing:
        _say_once(missing)
        return False
    return devices in ({"cpu"}, {"cuda"})


@functools.cache
def _say_once(missing: str) -> None:
    if missing != "MAPT_OPS=torchvision":
        logging.getLogger("mapt").warning(
            "mapt: slower operators of torchvision instead of the compiled ones: %s", missing
        )


@contextmanager
def disabled() -> Iterator[None]:
    """Let torchvision compute the operators within the block, for comparisons.

    This is not meant for several threads.
    """
    global _enabled  # noqa: PLW0603
    before = _enabled
    _enabled = False
    try:
        yield
    finally:
        _enabled = before


def working_type(*tensors: Tensor) -> torch.dtype:
    """float64 if any tensor is, else float32: what half-precision tensors are computed in."""
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def refuse_gradients(*tensors: Tensor | None) -> None:
    """Results in preallocated memory have no gradient.

    Raises:
        RuntimeError: a tensor wants one.
    """
    if wants_gradient(*tensors):
        raise RuntimeError(
            "mapt: out= has no gradient; call it under torch.no_grad() or without out="
        )


def wants_gradient(*tensors: Tensor | None) -> bool:
    """Is a graph recorded, and is any tensor part of it?"""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def convolution_shape(
    input: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> list[int]:
    """The shape (N,O,oh,ow) of a convolution's result."""
    sides = [
        (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel in zip(input.shape[2:], weight.shape[2:], strict=True)
    ]
    return [input.shape[0], weight.shape[0], *sides]


def _fake_deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
) -> Tensor:
    return input.new_empty(convolution_shape(input, weight, stride, padding, dilation))


def _fake_deform_conv2d_backward(
    grad: Tensor,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: int,
    padding: int,
    dilation: int,
    wanted: Sequence[bool],
) -> tuple[Tensor, ...]:
    shapes = (input.shape, offset.shape, weight.shape, weight.shape[:1])
    return tuple(
        input.new_empty(s if want else (0,)) for s, want in zip(shapes, wanted, strict=True)
    )


def _save_deform_conv2d(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.sizes = inputs[4:]


def _deform_conv2d_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    wanted = list(ctx.needs_input_grad[:4])
    grads = torch.ops.mapt.deform_conv2d_backward(grad, *ctx.saved_tensors, *ctx.sizes, wanted)
    return *(g if want else None for g, want in zip(grads, wanted, strict=True)), None, None, None


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
    return (
        torch.ops.mapt.multiscale_roi_align_backward(grad, boxes, *ctx.sizes),
        None,
        None,
        None,
        None,
    )


def _fake_propagated_features(
    masks: Tensor, offsets: Tensor, weights: Tensor, boxes: Tensor
) -> Tensor:
    return masks.new_empty(masks.shape[0], 4 * weights.shape[1], 7, 7)


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


def _fake_nothing(*_: Any) -> None:
    """Operators that write into `out` return nothing."""


def _register() -> None:
    fakes: dict[str, Callable[..., Any]] = {
        "deform_conv2d": _fake_deform_conv2d,
        "deform_conv2d_out": _fake_nothing,
        "deform_conv2d_backward": _fake_deform_conv2d_backward,
        "multiscale_roi_align": _fake_roi_align,
        "multiscale_roi_align_out": _fake_nothing,
        "multiscale_roi_align_backward": _fake_roi_align_backward,
        "propagate_masks": _fake_propagate_masks,
        "propagate_masks_out": _fake_nothing,
        "propagated_features": _fake_propagated_features,
        "propagated_features_out": _fake_nothing,
    }
    for name, fake in fakes.items():
        torch.library.register_fake(f"mapt::{name}", fake)
    torch.library.register_autograd(
        "mapt::deform_conv2d", _deform_conv2d_gradient, setup_context=_save_deform_conv2d
    )
    torch.library.register_autograd(
        "mapt::multiscale_roi_align", _roi_align_gradient, setup_context=_save_roi_align
    )


if not MISSING:
    _register()
