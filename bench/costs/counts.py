"""Counts of arithmetic: by kind of operator, and of a head. It does not import PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Operators:
    """Multiply-adds by kind of operator.

    Attributes:
        convolution: ordinary and depthwise convolutions.
        linear: fully connected layers.
        product: matrix products of tensors, and the filters of deformable convolutions.
        sample: bilinear samples.
    """

    convolution: int = 0
    linear: int = 0
    product: int = 0
    sample: int = 0

    @property
    def total(self) -> int:
        """The sum over all kinds of operators."""
        return self.convolution + self.linear + self.product + self.sample

    def __add__(self, other: Operators) -> Operators:
        return Operators(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class HeadCost:
    """Parameters, and multiply-adds of one frame.

    Attributes:
        params: number of parameters.
        flops: multiply-adds of a frame; for motion and appearance with N instances.
        per_instance: the part of `flops` that each instance adds; 0 for the other heads.
    """

    params: int
    flops: int
    per_instance: float = 0.0
