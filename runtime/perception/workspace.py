"""Reuses the same arrays in every frame.

So a tracker that has warmed up allocates no more memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Workspace:
    """Memory by name, which belongs to one tracker.

    The content of an array is valid until the same name is taken again.

    Nothing that is handed to a caller or remembered for the next frame may lie in it.

    Args:
        elements: every array has room for so many from its first use on, so that a larger one later
            allocates nothing. 0: as many as are asked for, and more when more are.
    """

    def __init__(self, elements: int = 0) -> None:
        self._elements = elements
        self._held: dict[str, NDArray[np.uint8]] = {}

    def take(
        self, name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> NDArray[Any]:
        """Return a contiguous, uninitialised array of that shape."""
        kind = np.dtype(dtype)
        count = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.nbytes < count * kind.itemsize:
            held = self._held[name] = np.empty(max(count, self._elements) * kind.itemsize, np.uint8)
        return held[: count * kind.itemsize].view(kind).reshape(shape)

    def holds(self, array: NDArray[Any]) -> bool:
        """Tell whether any part of an array lies in this memory."""
        return any(np.may_share_memory(held, array) for held in self._held.values())
