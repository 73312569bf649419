"""Finds the native core, which setup.py builds beside the package's modules, and its libraries."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from importlib.resources import files
from pathlib import Path

from mapt.errors import InputError
from mapt.runtime.native.interface import declare

REBUILD = (
    "build it: `make kernels` in a checkout, or `MAPT_BUILD=onnxruntime,native pip install"
    " --force-reinstall mapt`"
)


@functools.cache
def load_library() -> ctypes.CDLL:
    """Load the native core.

    Raises:
        InputError: it is not built, or does not load.
    """
    built = sorted(Path(str(files("mapt.runtime"))).glob("_native*.so"))
    if not built:
        raise InputError(f"the native core is not built; {REBUILD}")
    try:
        return declare(ctypes.CDLL(str(built[0])))
    except (OSError, AttributeError) as error:
        raise InputError(f"{built[0]}: does not load ({error}); {REBUILD}") from None


@functools.cache
def find_onnxruntime() -> Path:
    """Return ONNX Runtime's own library inside its package, without importing that.

    Raises:
        InputError: the package is not installed, or has no such library.
    """
    found = importlib.util.find_spec("onnxruntime")
    folders = found.submodule_search_locations if found else None
    for folder in folders or ():
        libraries = sorted(Path(folder, "capi").glob("libonnxruntime.so*"))
        if libraries:
            return libraries[-1]
    raise InputError(
        "the native core needs ONNX Runtime's library, which the installed package does not hold;"
        " update onnxruntime, or take core 'python'"
    )
