"""A GPU that is the host's memory, and the image kernel compiled to run as loops on it.

Nothing that is queued happens before its stream is waited for: a missing wait gives wrong numbers.
Names and parameters are those of `cuda.bindings.runtime`, which `test_gpu_standin.py` checks.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from numpy.typing import NDArray

from mapt.runtime.images.kernel import ImageKernel, Preprocess, RenderLabels
from tests.csrc.cuda_source import CSRC, compile_sources

Job = Callable[[], object]


class Gpu:
    """Stands in for `cuda.bindings.runtime`, on machine with one GPU, number 0.

    Attributes:
        log: what was called.
        fails: status by function.
        foreign: number of the GPU that addresses which others gave are on; None: of the host.
    """

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaEventDisableTiming = 2

    class cudaMemcpyKind(enum.IntEnum):
        cudaMemcpyHostToDevice = 1
        cudaMemcpyDeviceToHost = 2

    class cudaMemoryType(enum.IntEnum):
        cudaMemoryTypeHost = 1
        cudaMemoryTypeDevice = 2
        cudaMemoryTypeManaged = 3

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fails: dict[str, int] = {}
        self.foreign: int | None = 0
        self.memory: dict[int, Any] = {}
        self.streams: dict[int, list[Job]] = defaultdict(list)
        self.events: dict[int, tuple[int, int]] = {}

    def cudaMalloc(self, size: int) -> tuple[int, int]:
        return self.fails.get("cudaMalloc", 0), self._allocate(size)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[int, int]:
        return self.fails.get("cudaHostAlloc", 0), self._allocate(size)

    def cudaFree(self, devPtr: int) -> tuple[int]:
        del self.memory[devPtr]
        return (0,)

    def cudaFreeHost(self, ptr: int) -> tuple[int]:
        del self.memory[ptr]
        return (0,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[int, int]:
        return self.fails.get("cudaStreamCreateWithFlags", 0), 77

    def cudaStreamDestroy(self, stream: int) -> tuple[int]:
        self.log.append(f"destroy {stream}")
        return (0,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        self.log.append(f"wait {stream}")
        self.run(stream)
        return (self.fails.get("cudaStreamSynchronize", 0),)

    def cudaMemcpyAsync(
        self, dst: int, src: int, count: int, kind: cudaMemcpyKind, stream: int
    ) -> tuple[int]:
        self.log.append("upload" if kind == 1 else "download")
        self.streams[stream].append(lambda: ctypes.memmove(dst, src, count))
        return (0,)

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[int, int]:
        return 0, len(self.events) + 1

    def cudaEventRecord(self, event: int, stream: int) -> tuple[int]:
        self.events[event] = stream, len(self.streams[stream])
        return (0,)

    def cudaStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[int]:
        other, count = self.events[event]
        self.log.append(f"{stream} follows {other}")
        self.streams[stream].append(lambda: self.run(other, count))
        return (0,)

    def cudaEventQuery(self, event: int) -> tuple[int]:
        stream, _ = self.events[event]
        return (600 if self.streams[stream] else 0,)

    def cudaEventSynchronize(self, event: int) -> tuple[int]:
        return self.cudaStreamSynchronize(self.events[event][0])

    def cudaEventDestroy(self, event: int) -> tuple[int]:
        return (0,)

    def cudaGetDevice(self) -> tuple[int, int]:
        return 0, 0

    def cudaPointerGetAttributes(self, ptr: int) -> tuple[int, Any]:
        if self.foreign is None:
            return 0, SimpleNamespace(type=0, device=-2)
        return 0, SimpleNamespace(type=2, device=self.foreign)

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return 0, b"out of memory"

    def run(self, stream: int, count: int | None = None) -> None:
        """Do what is queued on a stream, or the first of it."""
        jobs = self.streams[stream][:count]
        del self.streams[stream][:count]
        for job in jobs:
            job()

    def _allocate(self, size: int) -> int:
        memory = ctypes.create_string_buffer(b"\xee" * size, size)
        self.memory[ctypes.addressof(memory)] = memory
        return ctypes.addressof(memory)


class QueuedKernel(ImageKernel):
    """The kernel of `library()`, which runs when the GPU gets to it."""

    gpu: Gpu

    def preprocess(self, told: Preprocess, workspace: int, stream: int) -> None:
        self.gpu.log.append("kernel")
        run = super().preprocess
        self.gpu.streams[stream].append(lambda: run(told, workspace, stream))

    def render_labels(self, told: RenderLabels, stream: int) -> None:
        self.gpu.log.append("labels")
        run = super().render_labels
        self.gpu.streams[stream].append(lambda: run(told, stream))


@functools.cache
def library() -> Path:
    """The library as setup.py builds it, but for the shim in place of CUDA."""
    folder = Path(tempfile.mkdtemp(prefix="mapt-"))
    kernels = [CSRC / f"operators/{name}/cuda.cu" for name in ("preprocess", "render_labels")]
    sources = [*CSRC.glob("images/*.cpp"), *kernels]
    return compile_sources(sources, folder)


class Interface:
    """An array "on the GPU" with `__cuda_array_interface__`, as PyCUDA's."""

    def __init__(self, array: NDArray[Any], stream: int | None = None, **more: object) -> None:
        self.array = array
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": array.shape,
            "strides": array.strides,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "stream": stream,
            **more,
        }


class Dlpack:
    """An array with DLPack on any device.

    Attributes:
        streams: for which it was asked.
        capsules: that are alive.
    """

    def __init__(self, array: NDArray[Any], device: int = 2, number: int = 0) -> None:
        self.array = array
        self.device = device, number
        self.streams: list[int | None] = []
        self.raises: Exception | None = None

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, *, stream: int | None = None, **_: object) -> Any:
        if self.raises:
            raise self.raises
        self.streams.append(stream)
        return capsule(self.array, self.device)


class _Managed(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


_kept: list[Any] = []
CODES = {"i": 0, "u": 1, "f": 2}


def capsule(array: NDArray[Any], device: tuple[int, int]) -> Any:
    """A DLPack capsule without a deleter; what it points to is kept for good."""
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    steps = (ctypes.c_int64 * array.ndim)(*(s // array.itemsize for s in array.strides))
    managed = _Managed(
        array.ctypes.data - 8,
        (ctypes.c_int32 * 2)(*device),
        array.ndim,
        CODES[array.dtype.kind],
        array.itemsize * 8,
        1,
        ctypes.addressof(shape),
        ctypes.addressof(steps),
        8,
    )
    _kept.extend((array, shape, steps, managed))
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    name = ctypes.c_char_p(b"dltensor")
    _kept.append(name)
    return new(ctypes.addressof(managed), name, None)
