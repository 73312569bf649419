"""The files that each library is compiled from.

An operator is a folder of `operators/`. Its files are found by name, so a new operator changes
nothing here.
"""

from __future__ import annotations

from pathlib import Path

CSRC = Path(__file__).parent
INCLUDE = ("-I", str(CSRC))  # every include names its file from here
HEADERS = (".h", ".cuh", ".inc")


def headers() -> list[Path]:
    """Every header, whichever library reads it."""
    return sorted(path for path in CSRC.rglob("*") if path.suffix in HEADERS)


def cpu_kernels() -> list[Path]:
    """The CPU's kernels, which every library is linked with."""
    return sorted(CSRC.glob("cpu/*.cpp"))


def cuda_kernels() -> list[Path]:
    """The CUDA kernels; nvcc compiles them, or a C++ compiler with grids as loops (shim)."""
    return sorted(CSRC.glob("operators/*/cuda*.cu"))


def bindings(framework: str) -> list[Path]:
    """What binds each operator to a framework: `torch`, `onnxruntime` or `tensorrt`."""
    return sorted(CSRC.glob(f"operators/*/{framework}.cpp"))


def library(framework: str) -> list[Path]:
    """A framework's library: the bindings, and what they share."""
    return [*sorted(CSRC.glob(f"{framework}/*.cpp")), *bindings(framework)]
