"""The two-way feature pyramid (paper III-A)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mapt.config import ModelConfig
from mapt.model.backbone import Trunk
from mapt.model.layers import ConvNorm, SeparableConv, upsample

STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True)
class Pyramid:
    """Features of F channels at the strides s = 4, 8, 16 and 32, each (B,F,H/s,W/s) float."""

    p4: Tensor
    p8: Tensor
    p16: Tensor
    p32: Tensor

    def levels(self) -> list[Tensor]:
        """Return P4, P8, P16 and P32."""
        return [self.p4, self.p8, self.p16, self.p32]


class TwoWayPyramid(nn.Module):
    """Aggregates features top-down and bottom-up in parallel, and smooths the sums of both."""

    def __init__(self, channels: tuple[int, int, int, int], config: ModelConfig) -> None:
        super().__init__()
        width = config.fpn_channels
        act = config.activation
        self.down_lateral = nn.ModuleList(ConvNorm(c, width, act) for c in channels)
        self.up_lateral = nn.ModuleList(ConvNorm(c, width, act) for c in channels)
        self.reduce = nn.ModuleList(
            SeparableConv(width, width, act, stride=2) for _ in channels[1:]
        )
        self.smooth = nn.ModuleList(SeparableConv(width, width, act) for _ in channels)

    def forward(self, trunk: Trunk) -> Pyramid:
        """Compute the pyramid from trunk features."""
        inputs = (trunk.c4, trunk.c8, trunk.c16, trunk.c32)
        down = [lateral(c) for lateral, c in zip(self.down_lateral, inputs, strict=True)]
        for i in (2, 1, 0):
            down[i] = down[i] + upsample(down[i + 1], 2)
        up = [lateral(c) for lateral, c in zip(self.up_lateral, inputs, strict=True)]
        for i in (1, 2, 3):
            up[i] = up[i] + self.reduce[i - 1](up[i - 1])
        p4, p8, p16, p32 = (
            smooth(d + u) for smooth, d, u in zip(self.smooth, down, up, strict=True)
        )
        return Pyramid(p4, p8, p16, p32)
