"""Checks in a child process which packages are installed, and whether they can be imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from dataclasses import dataclass

LIMIT = 180.0  # seconds for an import on a slow disk, or for a GPU that comes up


@dataclass(frozen=True)
class Package:
    """A module that MAPT imports.

    Attributes:
        distribution: what brings it.
        module: what is imported.
        extra: of MAPT, that asks for it.
        purpose: what it is for.
        others: further distributions that bring the same module.
    """

    distribution: str
    module: str
    extra: str
    purpose: str
    others: tuple[str, ...] = ()


OPENCV = ("opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
ONNX_RUNTIME = Package(
    "onnxruntime",
    "onnxruntime",
    "cpu",
    "runtime",
    (
        "onnxruntime-gpu",
        "onnxruntime-openvino",
        "onnxruntime-directml",
        "onnxruntime-rocm",
        "onnxruntime-migraphx",
    ),
)
PACKAGES = (
    Package("numpy", "numpy", "", "runtime"),
    Package("scipy", "scipy", "", "runtime"),
    Package("opencv-python-headless", "cv2", "", "runtime", OPENCV),
    Package("pydantic", "pydantic", "", "runtime"),
    Package("torch", "torch", "train", "training"),
    Package("torchvision", "torchvision", "train", "training"),
    Package("timm", "timm", "train", "training"),
    Package("safetensors", "safetensors", "train", "training"),
    Package("onnx", "onnx", "export", "export"),
    Package("onnxscript", "onnxscript", "export", "export"),
)


def version(distribution: str) -> str | None:
    """The version of an installed distribution."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed(package: Package) -> dict[str, str]:
    """Every distribution with its version that brings the package's module."""
    found = {name: version(name) for name in (package.distribution, *package.others)}
    return {name: number for name, number in found.items() if number is not None}


def importable(module: str) -> bool:
    """Tell whether a top-level module can be found. It is not imported."""
    return importlib.util.find_spec(module) is not None


@dataclass(frozen=True)
class Answer:
    """The answer of a child process.

    Attributes:
        code: its exit code; None if it did not end in time.
        out: the last line of its standard output.
        error: the last line of its standard error.
    """

    code: int | None
    out: str
    error: str


def ask(code: str) -> Answer:
    """Run code in a child: libraries stay loaded, and a fault in one ends the process.

    It searches for modules where this process does. A Python that is started with `-c` would search
    the current folder first, where a user's `types.py` may lie.
    """
    prepared = f"import sys; sys.path[:] = {sys.path!r}\n{code}"
    command = [sys.executable, "-c", prepared]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return Answer(None, "", f"no answer in {LIMIT:.0f} s")
    return Answer(
        ran.returncode,
        _last(ran.stdout),
        _last(ran.stderr) or f"no message, exit code {ran.returncode}",
    )


def _last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
