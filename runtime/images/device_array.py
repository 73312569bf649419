"""An array in a GPU's memory that other libraries take without a copy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mapt.runtime.backends.cuda import CudaMemory


@dataclass(frozen=True, eq=False)
class DeviceArray:
    """A contiguous array in a GPU's memory.

    It has `__cuda_array_interface__`, which PyTorch, CuPy and PyCUDA read, and NumPy's functions
    copy it to the host.

    Attributes:
        address: of its first element.
        shape: elements by axis.
        dtype: of an element.
        memory: what it lies in, with the stream on which it was written.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    memory: CudaMemory

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        """Version 3 of the protocol: whoever reads it waits for the stream."""
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": None,
            "stream": self.memory.stream,
        }

    def numpy(self) -> NDArray[Any]:
        """The content on the host, in a new array.

        Raises:
            RuntimeError: CUDA fails.
        """
        out = np.empty(self.shape, self.dtype)
        self.memory.download(out, self.address)
        self.memory.wait()
        return out

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """See `numpy`.

        Raises:
            ValueError: `copy` is False.
            RuntimeError: CUDA fails.
        """
        if copy is False:
            raise ValueError("an array in a GPU's memory cannot be read without a copy")
        return self.numpy().astype(dtype or self.dtype, copy=False)


def allocate(memory: CudaMemory, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
    """An array whose memory lives as long as `memory`.

    Raises:
        RuntimeError: there is none left.
    """
    kind = np.dtype(dtype)
    address = memory.allocate(math.prod(shape) * kind.itemsize)
    return DeviceArray(address, shape, kind, memory)
