"""Memory of a GPU, page-locked memory of the host, and one stream, by NVIDIA's `cuda-bindings`."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mapt.errors import InputError


def bindings() -> Any:
    """NVIDIA's CUDA runtime API for Python.

    Raises:
        InputError: it is not installed.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise InputError(
            f"CUDA's Python bindings cannot be used ({error}); install mapt[gpu] or mapt[trt]"
        ) from None
    return runtime


class CudaMemory:
    """The memory and stream of one backend on the current device, freed with it.

    Args:
        api: `cuda.bindings.runtime`.
        stream: another's stream to work on; None: one of its own.

    Raises:
        RuntimeError: from any method, CUDA reports an error.
    """

    copies_parts = True

    def __init__(self, api: Any, stream: int | None = None) -> None:
        self.api = api
        self._device: list[int] = []
        self._host: list[int] = []
        own = stream is None
        self._stream: Any = stream
        if own:
            self._stream = _call(api, "cudaStreamCreateWithFlags", api.cudaStreamNonBlocking)
        weakref.finalize(self, _free, api, self._stream, own, self._device, self._host)

    @property
    def stream(self) -> int:
        """The stream's handle."""
        return int(self._stream)

    def allocate(self, size: int) -> int:
        """The address of `size` bytes on the device."""
        self._device.append(int(_call(self.api, "cudaMalloc", size)))
        return self._device[-1]

    def allocate_host(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A page-locked array, which the device reads and writes without a copy in between."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self._host.append(
            int(_call(self.api, "cudaHostAlloc", size, self.api.cudaHostAllocDefault))
        )
        memory = (ctypes.c_uint8 * size).from_address(self._host[-1])
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """Queue a copy of a page-locked array to the device."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyHostToDevice
        _call(
            self.api,
            "cudaMemcpyAsync",
            address,
            array.ctypes.data,
            array.nbytes,
            kind,
            self._stream,
        )

    def download(self, array: NDArray[Any], address: int) -> None:
        """Queue a copy from the device to a page-locked array."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _call(
            self.api,
            "cudaMemcpyAsync",
            array.ctypes.data,
            address,
            array.nbytes,
            kind,
            self._stream,
        )

    def device(self) -> int:
        """The number of the GPU."""
        return int(_call(self.api, "cudaGetDevice"))

    def place_of(self, address: int) -> int | None:
        """The number of the GPU whose memory an address is in; None: it is in none's."""
        status, found = self.api.cudaPointerGetAttributes(address)
        types = self.api.cudaMemoryType
        if int(status) or found.type not in (
            types.cudaMemoryTypeDevice,
            types.cudaMemoryTypeManaged,
        ):
            return None
        return int(found.device)

    def follow(self, stream: int) -> None:
        """Let later work wait, on the device, for what is queued on another stream now."""
        event = _call(self.api, "cudaEventCreateWithFlags", self.api.cudaEventDisableTiming)
        try:
            _call(self.api, "cudaEventRecord", event, stream)
            _call(self.api, "cudaStreamWaitEvent", self._stream, event, 0)
        finally:
            self.api.cudaEventDestroy(event)  # CUDA frees it when it has happened

    def wait(self) -> None:
        """Wait until all queued work is done."""
        _call(self.api, "cudaStreamSynchronize", self._stream)


def _call(api: Any, name: str, *arguments: object) -> Any:
    """Return what a CUDA function gives besides its status."""
    status, *result = getattr(api, name)(*arguments)
    if int(status):
        text = api.cudaGetErrorString(status)[1]
        raise RuntimeError(f"{name}: {text.decode() if isinstance(text, bytes) else text}")
    return result[0] if result else None


def _free(api: Any, stream: Any, own: bool, device: list[int], host: list[int]) -> None:
    # Nobody is left to be told of an error here.
    api.cudaStreamSynchronize(stream)
    for address in device:
        api.cudaFree(address)
    for address in host:
        api.cudaFreeHost(address)
    if own:
        api.cudaStreamDestroy(stream)
