"""What is made once for all workers of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.runtime.bundle.format import Lowering


def once_a_run(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker makes, and for which the others wait.

    Tests read it, and never write there.

    Args:
        factory: pytest's.
        name: of the folder; the same for everything that makes the same.
        make: gets the path of a folder that does not exist yet. It takes its name when it is whole.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once" / name
    folder.parent.mkdir(exist_ok=True)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = folder.with_name(f"{name}.part")
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.rename(folder)
    return folder


def exported(
    factory: pytest.TempPathFactory,
    lowering: Lowering,
    size: tuple[int, int] | None = None,
    *,
    zoom: bool = False,
) -> Path:
    """The shipped weights as a bundle, exported once for all workers of a run."""
    from mapt.export.bundle.writer import Request, export_bundle
    from mapt.io.pretrained import shipped_weights

    request = Request(size=size, lowering=lowering, zoom=zoom)
    name = f"{lowering}-{size[0]}x{size[1]}" if size else f"{lowering}-own-size"
    name += "-zoom" * zoom
    return once_a_run(
        factory, name, lambda folder: export_bundle(shipped_weights(), folder, request)
    )
