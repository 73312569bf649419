"""The logistic function with the same bits on every processor.

`np.tanh` and `np.exp` differ from one instruction set to another. This formula takes nothing but
additions, products and a quotient of float32, which IEEE 754 rounds alike everywhere. The native
tracker computes the same operations in the same order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mapt.runtime.perception.workspace import Workspace

Float = NDArray[np.float32]
# A minimax fit of (logistic(x) - 1/2) / x as P(x^2) / Q(x^2) on [-LIMIT, LIMIT], by rising power.
# Q's highest power has the factor 1.
LIMIT = 14.0
P = (112398.266, 3456.87354, 15.995636, 0.0069019706)
Q = (449595.0, 51292.074, 592.12103)


def sigmoid(x: Float, out: Float | None = None, workspace: Workspace | None = None) -> Float:
    """1 / (1 + exp(-x)), within 7e-7, inside (0,1), and 1/2 at 0.

    Args:
        x: any shape, float32.
        out: takes the result; may be `x`. None: a new array.
        workspace: memory that is used again; None: new.
    """
    workspace = workspace or Workspace()
    square = workspace.take("square", x.shape)
    factor = workspace.take("factor", x.shape)
    half: Float = np.clip(x, np.float32(-LIMIT), np.float32(LIMIT), out=out)
    np.multiply(half, half, out=square)
    np.add(square, np.float32(Q[2]), out=factor)
    _next_power(factor, square, Q[1])
    _next_power(factor, square, Q[0])
    half /= factor
    np.multiply(square, np.float32(P[3]), out=factor)
    factor += np.float32(P[2])
    _next_power(factor, square, P[1])
    _next_power(factor, square, P[0])
    half *= factor
    half += np.float32(0.5)
    return half


def _next_power(polynomial: Float, square: Float, coefficient: float) -> None:
    polynomial *= square
    polynomial += np.float32(coefficient)
