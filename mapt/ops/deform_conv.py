"""Deformable convolution, as torchvision defines it, with offsets that a batch may share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor

from mapt.ops import compiled
from mapt.ops.nodes import node


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Compute a deformable convolution (Dai et al., 2017).

    Args:
        input: (N,C,h,w) float.
        offset: (N or 1, 2*k*k, oh, ow) float, a pair (dy, dx) in pixels for each tap. All samples
            share a single field.
        weight: (O,C,k,k) float.
        bias: (O,) float, or None.
        stride: step between output pixels, in pixels.
        padding: zero padding on every side, in pixels.
        dilation: distance between taps, in pixels.
        out: (N,O,oh,ow) contiguous, receives the result. It is not allowed when a gradient is
            required.

    Returns:
        (N,O,oh,ow) of the input's type. Samples are bilinear, and zero outside the input or at
        offsets that are NaN or infinite.

    Raises:
        RuntimeError: shapes or types do not fit together, or `out` is given when a gradient is
            required.
    """
    if out is not None:
        compiled.refuse_gradients(input, offset, weight, bias)
    tensors = (input, offset, weight) if bias is None else (input, offset, weight, bias)
    if torch.compiler.is_exporting():
        shape = _convolution_shape(input, weight, stride, padding, dilation)
        return node(
            "DeformConv2d",
            tensors,
            shape,
            {"stride": stride, "padding": padding, "dilation": dilation},
        )
    if not compiled.usable(*tensors):
        result = _with_torchvision(input, offset, weight, bias, stride, padding, dilation)
        return result if out is None else out.copy_(result)
    values = (input, weight) if bias is None else (input, weight, bias)
    if offset.dtype == torch.float64:
        dtype = offset.dtype
    else:
        dtype = compiled.value_type(*values, gradient=compiled.wants_gradient(*tensors))
    cast = [t.to(dtype) for t in values]
    field = offset.to(compiled.coordinate_type(dtype))
    last = None if bias is None else cast[2]
    arguments = (cast[0], field, cast[1], last, stride, padding, dilation)
    if out is not None and out.dtype == dtype:
        torch.ops.mapt.deform_conv2d_out(*arguments, out)
        return out
    result = torch.ops.mapt.deform_conv2d(*arguments).to(input.dtype)
    return result if out is None else out.copy_(result)


def _with_torchvision(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
) -> Tensor:
    shared = offset.shape[0] == 1 and input.shape[0] != 1
    if shared and input.shape[1] == 1 and stride == 1:
        return _shared_single_channel(input, offset, weight, bias, padding, dilation)
    if shared:
        offset = offset.expand(input.shape[0], -1, -1, -1)
    out: Tensor = torchvision.ops.deform_conv2d(
        input, offset, weight, bias, stride, padding, dilation
    )
    return out


def _shared_single_channel(
    input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, padding: int, dilation: int
) -> Tensor:
    """Convolve samples of one channel with shared offsets, as the motion head needs it.

    The samples become channels of a single sample, so that coordinates are computed only once.
    """
    samples = sample_taps(
        input.transpose(0, 1), offset, weight.shape[-1], padding, dilation
    )  # (N,k*k,oh,ow)
    flat = weight.flatten(1)  # (O,k*k)
    out = torch.einsum("nkhw,ok->nohw", samples, flat)
    return out if bias is None else out + bias[None, :, None, None]


def sample_taps(
    channels: Tensor, offset: Tensor, kernel: int, padding: int, dilation: int
) -> Tensor:
    """Sample every tap of a deformable kernel.

    Args:
        channels: (1,N,h,w) float.
        offset: (1,2*k*k,oh,ow) float.
        kernel: k, the kernel's side.
        padding: zero padding on every side, in pixels.
        dilation: distance between taps, in pixels.

    Returns:
        Bilinear samples (N,k*k,oh,ow), zero outside.
    """
    _, n, h, w = channels.shape
    taps = kernel * kernel
    oh = offset.shape[2]
    ow = offset.shape[3]
    steps = torch.arange(kernel, device=offset.device, dtype=offset.dtype) * dilation - padding
    ys = torch.arange(oh, device=offset.device, dtype=offset.dtype)
    xs = torch.arange(ow, device=offset.device, dtype=offset.dtype)
    dy, dx = offset.view(taps, 2, oh, ow).unbind(1)  # (k*k,oh,ow) each
    y = steps.repeat_interleave(kernel)[:, None, None] + ys[None, :, None] + dy
    x = steps.repeat(kernel)[:, None, None] + xs[None, None, :] + dx
    grid = torch.stack((x * (2 / max(w - 1, 1)) - 1, y * (2 / max(h - 1, 1)) - 1), -1).reshape(
        1, taps * oh, ow, 2
    )
    out = torch.nn.functional.grid_sample(
        channels, grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return out.view(n, taps, oh, ow)


def _convolution_shape(
    input: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> list[int]:
    """Compute the shape (N,O,oh,ow) of a convolution's result."""
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
    return input.new_empty(_convolution_shape(input, weight, stride, padding, dilation))


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
    likes = (input, offset, weight, weight)
    return tuple(
        like.new_empty(s if want else (0,))
        for like, s, want in zip(likes, shapes, wanted, strict=True)
    )


def _save_deform_conv2d(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.sizes = inputs[4:]


def _deform_conv2d_gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    wanted = list(ctx.needs_input_grad[:4])
    grads = torch.ops.mapt.deform_conv2d_backward(grad, *ctx.saved_tensors, *ctx.sizes, wanted)
    return *(g if want else None for g, want in zip(grads, wanted, strict=True)), None, None, None


compiled.register(
    "deform_conv2d", _fake_deform_conv2d, _deform_conv2d_gradient, _save_deform_conv2d
)
compiled.register("deform_conv2d_out", compiled.fake_nothing)
compiled.register("deform_conv2d_backward", _fake_deform_conv2d_backward)
