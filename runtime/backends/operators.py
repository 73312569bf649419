"""MAPT's own operators for ONNX Runtime.

csrc/onnxruntime builds their library beside this file.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from mapt.errors import InputError

DOMAIN = "mapt"
FOLDER = Path(
    str(files("mapt.runtime"))
)  # setup.py puts the library into the package; in a frozen program its hook does
# What a graph calls logits (1,h,w,K) that it ranks channels last: for a CPU, CUDA's Resize takes
# them for (1,K,h,w).
CHANNELS_LAST = "_larger"
COLLECT = (
    "freeze it where `mapt doctor` finds them, and PyInstaller collects them by mapt's own hook"
)
REBUILD = (
    "build them: `make kernels` in a checkout, or `MAPT_BUILD=onnxruntime pip install"
    " --force-reinstall mapt`"
)


def find_library() -> tuple[Path, int]:
    """The library and the version of the operators in it.

    Raises:
        InputError: it was not built, or does not load.
    """
    built = sorted(FOLDER.glob("_ort_ops*.so"))
    if not built and getattr(sys, "frozen", False):
        raise InputError(
            f"MAPT's operators for ONNX Runtime are not in this frozen program; {COLLECT}"
        )
    if not built:
        raise InputError(f"MAPT's operators for ONNX Runtime are not built; {REBUILD}")
    try:
        library = ctypes.CDLL(str(built[0]))
        _ = library.mapt_operator_providers  # an older build has none
        return built[0], int(library.mapt_operator_version())
    except (OSError, AttributeError) as error:
        raise InputError(f"{built[0]}: does not load ({error}); {REBUILD}") from None


def library_for(needed: Mapping[str, int], user: Path | str) -> Path | None:
    """The library that graphs with operators of their own domains need; None where they have none.

    Args:
        needed: version of each domain.
        user: what needs them, for the message.

    Raises:
        InputError: another domain than MAPT's, no library, or one of another version.
    """
    unknown = sorted(needed.keys() - {DOMAIN})
    if unknown:
        raise InputError(
            f"{user}: needs operators {unknown[0]!r}, which this version does not know"
        )
    if DOMAIN not in needed:
        return None
    try:
        path, version = find_library()
    except InputError as error:
        raise InputError(
            f"{user}: needs the operators {DOMAIN} {needed[DOMAIN]}; {error}"
        ) from None
    if version != needed[DOMAIN]:
        raise InputError(
            f"{user}: needs the operators {DOMAIN} {needed[DOMAIN]}, {path.name} has {DOMAIN}"
            f" {version}; export the bundle with this version, or install the other and {REBUILD}"
        )
    return path


def operator_providers(library: Path) -> tuple[str, ...]:
    """Return the names of the execution providers that the library has the operators for."""
    ask = ctypes.CDLL(str(library)).mapt_operator_providers
    ask.restype = ctypes.c_char_p
    return tuple(ask().decode().split(","))


def ranks_channels_last(graph: bytes) -> bool:
    """Tell whether an ONNX file was written for a CPU alone, as `mapt export --ops custom` does."""
    return CHANNELS_LAST.encode() in graph
