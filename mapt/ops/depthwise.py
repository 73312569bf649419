"""Depthwise convolutions whose gradients are fast in half precision on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.overrides import TorchFunctionMode

LAST = torch.channels_last
SMALL = 3  # side of a kernel whose gradients are fast in bfloat16


class HalfDepthwise(TorchFunctionMode):
    """Within this context, depthwise convolutions under bfloat16 autocast learn faster on a CPU.

    PyTorch computes the gradient of 5x5 weights in bfloat16 at a quarter of the speed of float32,
    and that of their input likewise where they are strided. Here both are computed in float32, and
    everything else in bfloat16. Other convolutions, devices and precisions are as they are.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace `torch.conv2d` where it is depthwise."""
        if func is torch.conv2d and not kwargs and len(args) == 7 and _is_meant(*args):
            x, weight, _, stride, padding, dilation, _ = args
            return _Depthwise.apply(x, weight, stride, padding, dilation)
        return func(*args, **(kwargs or {}))


def _is_meant(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: object,
    padding: object,
    dilation: object,
    groups: int,
) -> bool:
    return (
        groups > 1
        and groups == x.shape[1] == weight.shape[0]
        and bias is None
        and isinstance(padding, tuple)
        and x.device.type == "cpu"
        and torch.is_grad_enabled()
        and weight.requires_grad
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution in bfloat16."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        x = x.to(torch.bfloat16, memory_format=LAST)
        ctx.save_for_backward(x, weight)
        ctx.layout = (stride, padding, dilation)
        return torch.conv2d(
            x, weight.to(torch.bfloat16), None, stride, padding, dilation, len(weight)
        )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.to(memory_format=LAST)
        large = weight.shape[2] > SMALL or ctx.layout[2] != (1, 1)
        strided = ctx.layout[0] != (1, 1)
        wanted = ctx.needs_input_grad[0]
        if large and not strided:
            of_input = _gradients(ctx, gradient, x, weight, (True, False))[0] if wanted else None
            of_weight = _gradients(ctx, gradient.float(), x.float(), weight, (False, True))[1]
        else:
            kind = torch.float32 if large else torch.bfloat16
            both = (wanted, True)
            of_input, of_weight = _gradients(ctx, gradient.to(kind), x.to(kind), weight, both)
        return of_input, of_weight.float(), None, None, None


def _gradients(
    ctx: FunctionCtx, gradient: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of the input and of the weights, as far as they are wanted."""
    stride, padding, dilation = ctx.layout  # type: ignore[attr-defined]
    of_input, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient,
        x,
        weight.to(x.dtype),
        None,
        stride,
        padding,
        dilation,
        False,
        [0, 0],
        len(weight),
        [*wanted, False],
    )
    return of_input, of_weight
