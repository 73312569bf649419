"""The building blocks that the heads share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["leaky_relu", "relu"]


def activation(kind: Activation) -> nn.Module:
    """Create an activation.

    The paper's iABN uses leaky ReLU with the slope 0.01. `nano` uses ReLU, which runtimes fuse with
    int8 convolutions.
    """
    return nn.LeakyReLU(0.01, inplace=True) if kind == "leaky_relu" else nn.ReLU(inplace=True)


class ConvNorm(nn.Sequential):
    """A convolution, a batch norm, and an activation unless `act` is None.

    It maps (B,inputs,h,w) to (B,outputs,h',w'), with h' = h and w' = w at stride 1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        act: Activation | None,
        kernel: int = 1,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        padding = (kernel - 1) // 2 * dilation
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
        parts: list[nn.Module] = [conv, nn.BatchNorm2d(outputs)]
        super().__init__(*parts, *([activation(act)] if act else []))


class DepthwiseConv(nn.Conv2d):
    """A 3x3 convolution of each channel separately, from (B,C,h,w) to (B,C,h',w').

    If it is dilated, it is trained in float32 under bfloat16 autocast on a CPU. PyTorch 2.14
    computes the weights' gradient from uninitialised memory there, on CPUs with avx512_bf16.
    """

    def __init__(self, channels: int, stride: int = 1, dilation: int | tuple[int, int] = 1) -> None:
        super().__init__(
            channels, channels, 3, stride, dilation, dilation, groups=channels, bias=False
        )

    def forward(self, input: Tensor) -> Tensor:
        """See `nn.Conv2d`."""
        wrong_in_half = (
            self.dilation != (1, 1)
            and input.device.type == "cpu"
            and torch.is_autocast_enabled("cpu")
        )
        if not (wrong_in_half and torch.is_grad_enabled()):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


class SeparableConv(nn.Sequential):
    """A depthwise 3x3 convolution, a pointwise convolution, a batch norm and an activation.

    It replaces standard convolutions (paper III-A), and maps (B,inputs,h,w) to (B,outputs,h',w').
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        act: Activation,
        stride: int = 1,
        dilation: int | tuple[int, int] = 1,
    ) -> None:
        super().__init__(
            DepthwiseConv(inputs, stride, dilation),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            activation(act),
        )


def upsample(x: Tensor, factor: int) -> Tensor:
    """Enlarge (B,C,h,w) bilinearly by a factor, with half-pixel centres."""
    if factor == 1:
        return x
    return nn.functional.interpolate(
        x, scale_factor=float(factor), mode="bilinear", align_corners=False
    )
