"""The files that each library is compiled from.

An operator is a folder of `operators/`. Its files are found by name, so a new operator changes
nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

CSRC = Path(__file__).parent
INCLUDE = ("-I", str(CSRC))  # every include names its file from here
HEADERS = (".h", ".cuh", ".inc")


def headers() -> list[Path]:
    """List every header of all libraries."""
    return sorted(path for path in CSRC.rglob("*") if path.suffix in HEADERS)


def cpu_kernels() -> list[Path]:
    """List the sources of the CPU's kernels, which every library contains."""
    return sorted(CSRC.glob("cpu/*.cpp"))


def cuda_kernels(operators: Iterable[str] = ("*",)) -> list[Path]:
    """List the sources of the CUDA kernels, of all operators or of some.

    nvcc compiles them, or a C++ compiler that runs grids as loops (csrc/shim).
    """
    return sorted(path for name in operators for path in CSRC.glob(f"operators/{name}/cuda*.cu"))


def bindings(framework: str) -> list[Path]:
    """List the sources that bind operators to a framework: torch, onnxruntime or tensorrt."""
    return sorted(CSRC.glob(f"operators/*/{framework}.cpp"))


def library(framework: str) -> list[Path]:
    """List the sources of a framework's library: the bindings, and their shared parts.

    `images` is a library without a framework, which has no bindings.
    """
    return [*sorted(CSRC.glob(f"{framework}/*.cpp")), *bindings(framework)]


def runtime() -> list[Path]:
    """List the sources of the native core, without the operators that it contains."""
    return sorted(CSRC.glob("runtime/*/*.cpp"))
