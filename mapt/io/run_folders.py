"""Gives each run a new folder: `runs/track`, `runs/track2`, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from mapt.errors import InputError
from mapt.io.atomic_files import check_folder
from mapt.io.hidden_files import remove_all_left_behind

RUNS = Path("runs")


@contextmanager
def run_folder(out: Path | None, name: str) -> Iterator[Path]:
    """Yield the folder of a run's outputs: `out` as it is, or a new one.

    Raises:
        InputError: as `new_run`.
    """
    if out is not None:
        yield out
        return
    with new_run(name) as folder:
        yield folder


@contextmanager
def new_run(name: str, parent: Path = RUNS) -> Iterator[Path]:
    """Make the first folder of this name that does not exist, so that no run replaces another.

    A folder that is still empty at the end is removed, and so is the unfinished work of earlier
    runs that were killed.

    Args:
        name: of the command.
        parent: where the runs lie.

    Raises:
        InputError: the folder cannot be made.
    """
    check_folder(parent, f"{parent}: without --out the outputs go there, but")
    folder = parent
    made = [] if parent.exists() else [parent]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = parent / (name if number == 1 else f"{name}{number}")
            for place in (folder / "step", folder):
                remove_all_left_behind(place)
            with suppress(FileExistsError):
                folder.mkdir(parents=True)  # another run may have removed its empty `parent`
                break
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); name another place with --out"
        ) from None
    try:
        yield folder
    finally:
        for place in (folder, *made):
            with suppress(OSError):
                place.rmdir()  # refused where anything is in it
