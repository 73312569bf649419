"""Defines a case of the kernel bench, and draws its random inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

STRIDES = (4, 8, 16, 32)  # of the pyramid's levels
HEIGHT = 384  # pixels, as of KITTI's images in the network's input
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
        busy_seconds: the same beside processes that keep the cores busy.
    """

    name: str
    ours: Call
    others: dict[str, Call]
    flops: float
    bytes: float
    seconds: dict[str, float] = field(default_factory=dict)
    busy_seconds: dict[str, float] = field(default_factory=dict)

    def slowdowns(self) -> dict[str, float]:
        """Return by contender how many times as long it takes on a busy machine."""
        return {name: busy / self.seconds[name] for name, busy in self.busy_seconds.items()}


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


def random_boxes(count: int) -> Tensor:
    """Draw boxes (count,5) of all pyramid levels inside the image.

    Their sides are 8 to 600 pixels long. Small ones are more frequent.
    """
    side = 8 * 75 ** torch.rand(count, 2)
    corner = torch.rand(count, 2) * (torch.tensor([WIDTH, HEIGHT]) - side).clamp(min=0)
    end = torch.minimum(corner + side, torch.tensor([float(WIDTH), float(HEIGHT)]))
    return torch.cat((torch.zeros(count, 1), corner, end), 1)
