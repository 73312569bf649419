"""MAPT's own operators for ONNX Runtime: the library that csrc/onnxruntime builds beside this file."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

from mapt.errors import InputError

DOMAIN = "mapt"
FOLDER = Path(__file__).parent  # where setup.py puts the library
REBUILD = "build them: `make kernels` in a checkout, or `MAPT_BUILD=onnxruntime pip install --force-reinstall mapt`"


def find_library() -> tuple[Path, int]:
    """The library and the version of the operators in it.

    Raises:
        InputError: it was not built, or does not load.
    """
    built = sorted(FOLDER.glob("_ort_ops*.so"))
    if not built:
        raise InputError(f"MAPT's operators for ONNX Runtime are not built; {REBUILD}")
    try:
        return built[0], int(ctypes.CDLL(str(built[0])).mapt_operator_version())
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
        raise InputError(f"{user}: needs operators {unknown[0]!r}, which this version does not know")
    if DOMAIN not in needed:
        return None
    try:
        path, version = find_library()
    except InputError as error:
        raise InputError(f"{user}: needs the operators {DOMAIN} {needed[DOMAIN]}; {error}") from None
    if version != needed[DOMAIN]:
        raise InputError(
            f"{user}: needs the operators {DOMAIN} {needed[DOMAIN]}, {path.name} has {DOMAIN} {version}; export the "
            f"bundle with this version, or install the other and {REBUILD}"
        )
    return path
