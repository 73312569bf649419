"""Reads tensors in a GPU's memory that a backend did not make."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ALIGNMENT = 256  # bytes, of an address that TensorRT takes; `cudaMalloc` gives such ones


@dataclass(frozen=True)
class ForeignTensor:
    """A contiguous tensor in a GPU's memory, which belongs to somebody else.

    Attributes:
        address: of its first element.
        shape: elements by axis.
        dtype: of an element.
        stream: on which its owner works; None: it is ready, and stays as it is while it is read.
        owner: what it was read from, which keeps the memory alive.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stream: int | None
    owner: object

    @property
    def aligned(self) -> bool:
        """Whether a network can read it where it lies."""
        return self.address % ALIGNMENT == 0

    @property
    def nbytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * self.dtype.itemsize


def foreign_tensor(value: Any) -> ForeignTensor | None:
    """Read what has `__cuda_array_interface__`; None: it has none.

    Raises:
        ValueError: it is not contiguous, has a mask, or names stream 0, which says nothing.
    """
    told: Mapping[str, Any] | None = getattr(value, "__cuda_array_interface__", None)
    if told is None:
        return None
    shape = tuple(int(n) for n in told["shape"])
    dtype = np.dtype(told["typestr"])
    stream = told.get("stream")
    if told.get("mask") is not None or stream == 0:
        raise ValueError(f"{type(value).__name__} {shape} has a mask, or stream 0")
    if not _contiguous(shape, told.get("strides"), dtype.itemsize):
        raise ValueError(f"{type(value).__name__} {shape} is not contiguous")
    return ForeignTensor(int(told["data"][0] or 0), shape, dtype, stream, value)


def _contiguous(shape: tuple[int, ...], strides: tuple[int, ...] | None, size: int) -> bool:
    """Tell whether elements follow one another; the stride of an axis of one says nothing."""
    if strides is None or 0 in shape:
        return True
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length > 1 and stride != size:
            return False
        size *= length
    return True
