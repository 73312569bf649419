"""The image kernel, compiled to run as loops on the GPU of `cuda_api.Cuda`, and arrays "there"."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mapt.runtime.images.kernel import ImageKernel, Preprocess, RenderLabels
from tests.csrc.cuda_source import CSRC, compile_sources
from tests.runtime.backends.device.cuda_api import Cuda


class QueuedKernel(ImageKernel):
    """The kernel of `library()`, which runs when the GPU gets to it."""

    gpu: Cuda

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
