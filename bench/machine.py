"""Describes the machine of a measurement by what decides its speed, without names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "torch", "torchvision")


def describe_machine(threads: int) -> dict[str, object]:
    """CPU, cores, memory, system, Python and library versions, and the threads that were used."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "threads": threads,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        pairs = [line.partition(":") for line in info.read_text().splitlines()]
        lines = {key.strip(): value.strip() for key, _, value in pairs}
        return (
            f"{lines.get('model name', '?')} (family {lines.get('cpu family', '?')}, model"
            f" {lines.get('model', '?')})"
        )
    return platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
