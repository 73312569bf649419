"""What a backend needs of a device: memory, a queue of copies, and a way to wait for it."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mapt.runtime.backends.protocol import CopyCounts


class DeviceMemory(Protocol):
    """Memory of a device, see `mapt.runtime.backends.cuda.CudaMemory`.

    Attributes:
        traffic: what was copied between host and device, and how often the host waited.
    """

    traffic: CopyCounts

    @property
    def stream(self) -> int:
        """The stream on which all work is queued; 0: copies are made at once."""
        ...

    @property
    def copies_parts(self) -> bool:
        """Whether `download` takes any address, or only those that `allocate` gave."""
        ...

    def allocate(self, size: int) -> int:
        """The address of `size` bytes on the device."""
        ...

    def allocate_host(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of the host that takes part in copies."""
        ...

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """Queue a copy of such an array to the device."""
        ...

    def download(self, array: NDArray[Any], address: int) -> None:
        """Queue a copy from the device to such an array."""
        ...

    def wait(self) -> None:
        """Wait until all queued work is done."""
        ...


class OrtMemory:
    """Memory that ONNX Runtime allocates and copies, which waits for every copy.

    It serves a GPU without NVIDIA's bindings for Python, and the host itself, where it stands in
    for a device.

    Args:
        onnxruntime: the module.
        place: "cuda" or "cpu".
    """

    stream = 0

    def __init__(self, onnxruntime: Any, place: str) -> None:
        self.place = place
        self.traffic = CopyCounts()
        self.copies_parts = place == "cpu"
        self._create = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self._held: dict[int, Any] = {}

    def allocate(self, size: int) -> int:
        """See `DeviceMemory`."""
        value = self._create([size], np.uint8, self.place, 0)
        self._held[value.data_ptr()] = value
        return int(value.data_ptr())

    def allocate_host(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """See `DeviceMemory`."""
        return np.empty(shape, dtype)

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """See `DeviceMemory`."""
        self._held[address].update_inplace(array.reshape(-1).view(np.uint8))
        self.traffic.up += array.nbytes

    def download(self, array: NDArray[Any], address: int) -> None:
        """See `DeviceMemory`."""
        if self.copies_parts:
            ctypes.memmove(array.ctypes.data, address, array.nbytes)
        else:
            array.reshape(-1).view(np.uint8)[:] = self._held[address].numpy()
        self.traffic.down += array.nbytes

    def wait(self) -> None:
        """Count it, and do nothing else: copies and runs are done when they return."""
        self.traffic.waits += 1
