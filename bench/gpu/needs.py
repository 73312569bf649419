"""Finds what checks need on this machine, and tells why something is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from mapt.bench.gpu.registry import Check, Need
from mapt.errors import InputError

ROOT = Path(__file__).resolve().parents[2]  # of a checkout; else whatever it was installed into


def missing() -> dict[Need, str]:
    """Why each need is not met on this machine; what is met is left out."""
    reasons = {need: look() for need, look in LOOKS.items()}
    return {need: reason for need, reason in reasons.items() if reason}


def obstacle(check: Check, lacking: Mapping[Need, str]) -> str:
    """Return what a check lacks on this machine; empty if it can run."""
    return next((lacking[need] for need in check.needs if need in lacking), "")


def sanitizer() -> str | None:
    """The path of compute-sanitizer."""
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which("compute-sanitizer") or shutil.which(f"{home}/bin/compute-sanitizer")


def compiler() -> str:
    """The C++ compiler."""
    return (os.environ.get("CXX") or "c++").split()[0]


def _gpu() -> str:
    from mapt.runtime.backends.tensorrt_library import device_target

    try:
        device_target()
    except ValueError as error:
        return f"no NVIDIA GPU: {error}"
    return ""


def _ort_cuda() -> str:
    try:
        import onnxruntime
    except ImportError as error:
        return f"no ONNX Runtime: {error}"
    found = onnxruntime.get_available_providers()
    return "" if "CUDAExecutionProvider" in found else f"ONNX Runtime has {', '.join(found)} alone"


def _tensorrt() -> str:
    from mapt.runtime.backends.tensorrt_library import load_library

    try:
        load_library()
    except ImportError:
        return "TensorRT is not installed"
    return ""


def _nvcc() -> str:
    if not (ROOT / "csrc/nvcc.py").is_file():
        return "the kernels' source is not here; run from a checkout"
    home = os.environ.get("CUDA_HOME")
    return "" if shutil.which(f"{home}/bin/nvcc" if home else "nvcc") else "no nvcc"


def _sanitizer() -> str:
    return "" if sanitizer() else "compute-sanitizer is not installed"


def _compiler() -> str:
    return "" if shutil.which(compiler()) else f"no C++ compiler: {compiler()}"


def _tests() -> str:
    if not (ROOT / "tests/ops").is_dir():
        return "the tests are not here; run from a checkout"
    return "" if importlib.util.find_spec("pytest") else "pytest is not installed"


def _trained_weights() -> str:
    from mapt.io.pretrained import shipped_weights

    try:
        shipped_weights()
    except InputError as error:
        return str(error)
    return ""


LOOKS: dict[Need, Callable[[], str]] = {
    "gpu": _gpu,
    "ort-cuda": _ort_cuda,
    "tensorrt": _tensorrt,
    "nvcc": _nvcc,
    "sanitizer": _sanitizer,
    "compiler": _compiler,
    "tests": _tests,
    "trained weights": _trained_weights,
}
