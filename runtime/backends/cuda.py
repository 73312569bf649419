"""Memory of a GPU, page-locked memory of the host, and one stream, by NVIDIA's `cuda-bindings`."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mapt.errors import InputError
from mapt.runtime.backends.protocol import CopyCounts


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
        owner: of that stream, which lives as long as this memory does.

    Attributes:
        traffic: what was copied between host and device, and how often the host waited.

    Raises:
        RuntimeError: from any method, CUDA reports an error.
    """

    copies_parts = True

    def __init__(self, api: Any, stream: int | None = None, owner: object = None) -> None:
        self.api = api
        self.traffic = CopyCounts()
        self._device: list[int] = []
        self._host: list[int] = []
        own = stream is None
        self._stream: Any = stream
        if own:
            self._stream = call(api, "cudaStreamCreateWithFlags", api.cudaStreamNonBlocking)
        weakref.finalize(self, _free, api, self._stream, own, self._device, self._host, owner)

    def beside(self) -> CudaMemory:
        """More memory on the same stream, freed on its own; what it copies is counted here, too."""
        other = CudaMemory(self.api, self.stream, owner=self)
        other.traffic = self.traffic
        return other

    @property
    def stream(self) -> int:
        """The stream's handle."""
        return int(self._stream)

    def allocate(self, size: int) -> int:
        """The address of `size` bytes on the device."""
        self._device.append(int(call(self.api, "cudaMalloc", size)))
        return self._device[-1]

    def allocate_host(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A page-locked array, which the device reads and writes without a copy in between."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self._host.append(int(call(self.api, "cudaHostAlloc", size, self.api.cudaHostAllocDefault)))
        memory = (ctypes.c_uint8 * size).from_address(self._host[-1])
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """Queue a copy of a page-locked array to the device."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyHostToDevice
        call(
            self.api,
            "cudaMemcpyAsync",
            address,
            array.ctypes.data,
            array.nbytes,
            kind,
            self._stream,
        )
        self.traffic.up += array.nbytes

    def download(self, array: NDArray[Any], address: int) -> None:
        """Queue a copy from the device to a page-locked array."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        call(
            self.api,
            "cudaMemcpyAsync",
            array.ctypes.data,
            address,
            array.nbytes,
            kind,
            self._stream,
        )
        self.traffic.down += array.nbytes

    def duplicate(self, address: int, source: int, size: int) -> None:
        """Queue a copy of `size` bytes from one place on the device to another."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        call(self.api, "cudaMemcpyAsync", address, source, size, kind, self._stream)

    def clear(self, address: int, size: int) -> None:
        """Queue the filling of `size` bytes on the device with zeros."""
        call(self.api, "cudaMemsetAsync", address, 0, size, self._stream)

    def device(self) -> int:
        """The number of the GPU."""
        return int(call(self.api, "cudaGetDevice"))

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
        self._order(stream, self._stream)

    def lead(self, stream: int) -> None:
        """Let later work of another stream wait, on the device, for what is queued here now."""
        self._order(self._stream, stream)

    def wait(self) -> None:
        """Wait until all queued work is done."""
        call(self.api, "cudaStreamSynchronize", self._stream)
        self.traffic.waits += 1

    def _order(self, first: Any, second: Any) -> None:
        event = call(self.api, "cudaEventCreateWithFlags", self.api.cudaEventDisableTiming)
        try:
            call(self.api, "cudaEventRecord", event, first)
            call(self.api, "cudaStreamWaitEvent", second, event, 0)
        finally:
            self.api.cudaEventDestroy(event)  # CUDA frees it when it has happened


def call(api: Any, name: str, *arguments: object) -> Any:
    """Return what a CUDA function gives besides its status.

    Raises:
        RuntimeError: the status is an error.
    """
    status, *result = getattr(api, name)(*arguments)
    if int(status):
        text = api.cudaGetErrorString(status)[1]
        raise RuntimeError(f"{name}: {text.decode() if isinstance(text, bytes) else text}")
    return result[0] if result else None


class StreamMark:
    """A point in a stream's work, which the host waits for only where it has not been reached.

    Args:
        memory: with the stream.

    Raises:
        RuntimeError: from any method, CUDA reports an error.
    """

    def __init__(self, memory: CudaMemory) -> None:
        self._memory = memory
        api = memory.api
        self._event = call(api, "cudaEventCreateWithFlags", api.cudaEventDisableTiming)
        weakref.finalize(self, api.cudaEventDestroy, self._event)

    def mark(self) -> None:
        """Move it behind all that is queued now."""
        call(self._memory.api, "cudaEventRecord", self._event, self._memory.stream)

    def reach(self) -> None:
        """Wait for it."""
        (status,) = self._memory.api.cudaEventQuery(self._event)
        if int(status):  # not reached, or an error, which the next call tells
            call(self._memory.api, "cudaEventSynchronize", self._event)
            self._memory.traffic.waits += 1


def _free(
    api: Any, stream: Any, own: bool, device: list[int], host: list[int], _owner: object
) -> None:
    # Nobody is left to be told of an error here.
    api.cudaStreamSynchronize(stream)
    for address in device:
        api.cudaFree(address)
    for address in host:
        api.cudaFreeHost(address)
    if own:
        api.cudaStreamDestroy(stream)
