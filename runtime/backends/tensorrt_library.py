"""Finds the installed TensorRT and the GPU, for building and for running engines."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import platform
import sys
from typing import Any

# Where NVIDIA's bindings come without their libraries, ONNX Runtime's plugin package brings them.
RTX_LIBRARIES = "onnxruntime-ep-nv-tensorrt-rtx-cu13"
RTX_LOAD_ORDER = ("libcudart.so", "libtensorrt_rtx.so", "libtensorrt_onnxparser_rtx.so")
# What TensorRT-RTX runs on, by its support matrix from 1.5 on. It also names SM80 as a target, but
# no GPU of 8.0 or 9.0 is supported.
RTX_TARGETS = ("sm75", "sm86", "sm89", "sm120", "sm121")
CAPABILITY_MAJOR = 75  # CUdevice_attribute
CAPABILITY_MINOR = 76


def extras() -> str:
    """Name the extras that install TensorRT on this machine, for messages.

    NVIDIA provides TensorRT-RTX for x86-64 only.
    """
    trt = "mapt[trt] on a machine with a GPU"
    rtx = sys.platform == "linux" and platform.machine() == "x86_64"
    return f"mapt[trt-rtx], which builds without a GPU, or {trt}" if rtx else trt


def load_library() -> tuple[Any, str]:
    """The first of `tensorrt`, `tensorrt_rtx` and the bare RTX bindings that imports, and its name.

    Raises:
        ImportError: none does.
    """
    reasons = []
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        try:
            if name == "tensorrt_rtx_bindings":
                _preload_rtx()
            return importlib.import_module(name), name.removesuffix("_bindings")
        except (ImportError, OSError) as error:
            reasons.append(f"{name}: {error}")
    raise ImportError("; ".join(reasons))


def versioned(trt: Any, name: str) -> str:
    """Name and version, as a bundle's manifest has it."""
    return f"{name} {trt.__version__}"


def require_support(name: str, target: str) -> None:
    """Refuse a GPU on which a library does not run.

    Args:
        name: "tensorrt" or "tensorrt_rtx".
        target: the GPU, "sm86".

    Raises:
        ValueError: it does not.
    """
    if name == "tensorrt_rtx" and target not in RTX_TARGETS:
        raise ValueError(
            f"RTX does not support this GPU, {target}, but {', '.join(RTX_TARGETS)}; install"
            " mapt[trt]"
        )


def driver_cuda() -> tuple[int, int]:
    """The newest CUDA that NVIDIA's driver runs, such as (13, 0).

    Raises:
        ValueError: there is no driver.
    """
    version = ctypes.c_int()
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise ValueError("needs an NVIDIA GPU and its driver") from None
    cuda.cuDriverGetVersion(ctypes.byref(version))
    return version.value // 1000, version.value % 1000 // 10


def device_target() -> str:
    """The first GPU's compute capability as a target ("sm86"), by the CUDA driver.

    Raises:
        ValueError: there is no driver or no GPU.
    """
    major = ctypes.c_int()
    minor = ctypes.c_int()
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise ValueError("needs an NVIDIA GPU and its driver") from None
    if cuda.cuInit(0) or cuda.cuDeviceGetAttribute(ctypes.byref(major), CAPABILITY_MAJOR, 0):
        raise ValueError("finds no GPU")
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), CAPABILITY_MINOR, 0)
    return f"sm{major.value}{minor.value}"


def _preload_rtx() -> None:
    try:
        files = importlib.metadata.files(RTX_LIBRARIES) or []
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            f"its libraries come with {RTX_LIBRARIES}, which is not installed"
        ) from None
    for start in RTX_LOAD_ORDER:
        path = next((str(f.locate()) for f in files if f.name.startswith(start)), None)
        if path is None:
            raise ImportError(f"{RTX_LIBRARIES} holds no {start}")
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
