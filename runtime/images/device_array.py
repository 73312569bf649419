"""An array in a GPU's memory that other libraries take without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mapt.runtime.backends.cuda import CudaMemory


@dataclass(frozen=True)
class DeviceArray:
    """A contiguous array in a GPU's memory.

    It has `__cuda_array_interface__`, which PyTorch, CuPy and PyCUDA read, and NumPy's functions
    copy it to the host.

    Attributes:
        address: of its first element.
        shape: elements by axis.
        dtype: of an element.
        memory: what it lies in, with the stream on which it was written.
        host: page-locked memory of this shape, through which it is read.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    memory: CudaMemory
    host: NDArray[Any]

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

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The content on the host, in a new array.

        Raises:
            ValueError: `copy` is False.
            RuntimeError: CUDA fails.
        """
        if copy is False:
            raise ValueError("an array in a GPU's memory cannot be read without a copy")
        self.memory.download(self.host, self.address)
        self.memory.wait()
        return self.host.astype(dtype or self.dtype)  # always a copy


def allocate(memory: CudaMemory, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
    """An array whose memory lives as long as `memory`.

    Raises:
        RuntimeError: there is none left.
    """
    host = memory.allocate_host(shape, dtype)
    return DeviceArray(memory.allocate(host.nbytes), shape, host.dtype, memory, host)
