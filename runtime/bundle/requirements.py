"""States and checks the lowest library versions that a bundle's graphs run on.

The bundle's manifest states them. They are checked before the graphs are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from mapt.errors import InputError

LIBRARIES = {"onnxruntime": "ONNX Runtime"}  # that a manifest may state a version of
# The lowest ONNX Runtime whose CPU kernels run each lowering, found by running every release from
# 1.20 on. `standard` waits for the kernel of DeformConv (operator set 19).
FLOORS = {"custom": "1.20", "standard": "1.25", "gridsample": "1.20"}


def required(lowering: str) -> dict[str, str]:
    """The lowest version of each library that graphs of a lowering run on."""
    return {"onnxruntime": FLOORS[lowering]}


def check_requirements(
    requires: Mapping[str, str], installed: Mapping[str, str], user: Path | str
) -> None:
    """Refuse graphs that a library here is too old for.

    Args:
        requires: the lowest version by library.
        installed: the version by library, of those that are going to be used.
        user: what needs them, for the message.

    Raises:
        InputError: a library is too old; the line names both versions, and the lowering that runs
            here.
    """
    for library, lowest in requires.items():
        if is_met({library: lowest}, installed):
            continue
        found = installed[library]
        name = LIBRARIES[library]
        other = runnable(found) if library == "onnxruntime" else None
        instead = f", or export with --ops {other}, which runs on {found}" if other else ""
        raise InputError(
            f"{user}: needs {name} {lowest} or newer, {found} is installed; update it{instead}"
        )


def is_met(requires: Mapping[str, str], installed: Mapping[str, str]) -> bool:
    """Tell whether no library is too old; see `check_requirements`."""
    return all(
        library not in installed or version(installed[library]) >= version(lowest)
        for library, lowest in requires.items()
    )


def onnxruntime_version() -> str | None:
    """The version of ONNX Runtime that is installed; None: there is none that imports."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return str(onnxruntime.__version__)


def runnable(onnxruntime: str) -> Literal["standard", "gridsample"] | None:
    """Return the lowering to standard operators that a version of ONNX Runtime runs.

    The result is None if it runs none.
    """
    if version(onnxruntime) >= version(FLOORS["standard"]):
        return "standard"
    return "gridsample" if version(onnxruntime) >= version(FLOORS["gridsample"]) else None


def runnable_here() -> Literal["standard", "gridsample"]:
    """Return the same for the ONNX Runtime that is installed.

    The default is `standard`, if it runs none or is not installed.
    """
    here = onnxruntime_version()
    return (runnable(here) if here else None) or "standard"


def version(text: str) -> tuple[int, ...]:
    """The numbers of a version, without what follows them ("1.25.0.dev20260301" is 1.25.0).

    Raises:
        ValueError: it does not begin with a number.
    """
    numbers = re.match(r"\d{1,9}(\.\d{1,9})*(?![\d])", text)
    if not numbers:
        raise ValueError(f"{text!r} is no version")
    return tuple(int(part) for part in numbers[0].split("."))


def read_requirements(stated: Mapping[str, str]) -> dict[str, str]:
    """The versions that a manifest states, checked.

    Raises:
        ValueError: a library that this version does not know, or what is no version.
    """
    for library, lowest in stated.items():
        if library not in LIBRARIES:
            raise ValueError(f"it requires {library!r}, not one of {', '.join(LIBRARIES)}")
        if not isinstance(lowest, str):
            raise ValueError(f"the version of {library} is {lowest!r}")
        version(lowest)
    return dict(stated)
