"""What is made once for all workers of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


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


def custom_bundle(factory: pytest.TempPathFactory) -> Path:
    """The shipped weights with MAPT's own operators, at their own size."""
    from mapt.export.bundle.writer import Request, export_bundle
    from mapt.io.pretrained import shipped_weights

    request = Request(lowering="custom")
    return once_a_run(
        factory, "custom", lambda folder: export_bundle(shipped_weights(), folder, request)
    )
