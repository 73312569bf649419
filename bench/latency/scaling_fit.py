"""Fits laws with two parameters to a growing cost, and reports their residuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Law = Literal["linear", "power", "inverse"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScalingFit:
    """A law through measured points.

    Attributes:
        law: linear a + b x, power a x^b, inverse a + b / x.
        a, b: its numbers, for milliseconds.
        residual: the largest deviation of a point, as a share of the law's value.
    """

    law: Law
    a: float
    b: float
    residual: float

    def __str__(self) -> str:
        line = f"{self.a:.3g} {'-' if self.b < 0 else '+'} {abs(self.b):.3g}"
        shown = {
            "linear": f"{line} x",
            "power": f"{self.a:.3g} x^{self.b:.2f}",
            "inverse": f"{line} / x",
        }
        return f"{shown[self.law]} (±{self.residual:.0%})"


def fit(points: Sequence[tuple[float, float]], laws: Sequence[Law]) -> ScalingFit:
    """Choose the law with the smallest maximum deviation, fitted by relative least squares.

    Args:
        points: x and milliseconds, both positive, at least two different x.
        laws: those that may be chosen.
    """
    x, y = np.array(points, np.float64).T
    return min((_FITTERS[law](x, y) for law in laws), key=lambda found: found.residual)


def _linear(x: Floats, y: Floats, law: Law = "linear") -> ScalingFit:
    a, b = np.linalg.lstsq(np.stack((1 / y, x / y), 1), np.ones_like(y))[0]
    return ScalingFit(law, float(a), float(b), _residual(y, a + b * x))


def _inverse(x: Floats, y: Floats) -> ScalingFit:
    return _linear(1 / x, y, "inverse")


def _power(x: Floats, y: Floats) -> ScalingFit:
    b, a = np.polyfit(np.log(x), np.log(y), 1)
    return ScalingFit("power", float(np.exp(a)), float(b), _residual(y, np.exp(a) * x**b))


def _residual(y: Floats, law: Floats) -> float:
    return float(np.max(np.abs(y / law - 1)))


_FITTERS: dict[Law, Callable[[Floats, Floats], ScalingFit]] = {
    "linear": _linear,
    "power": _power,
    "inverse": _inverse,
}
