"""Outputs appear whole or not at all: write to a temporary name beside the target, then rename. The order of names."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mapt.errors import InputError

MARK = ".mapt-"  # in the names of what is not whole yet
YOUNG = 60  # seconds in which such a thing may not have its lock yet


def check_writable(path: Path | None, option: str) -> None:
    """Say before the work that a file cannot be written at its end.

    Raises:
        InputError: it is a folder, or something on the way to it is a file or may not be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; name a file in it")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise InputError(f"{option} {path}: {there} is a file; choose another place")
    if not os.access(there, os.W_OK):
        raise InputError(f"{option} {path}: {there} may not be written; choose another place")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on success it replaces `path`, on failure it is removed.

    The temporary name keeps the target's suffix, because encoders choose the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(path.parent, path.stem)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}{MARK}", suffix=path.suffix, dir=path.parent)
    temporary = Path(name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def working_directory(parent: Path, name: str) -> Iterator[Path]:
    """Yield a hidden folder in `parent` for what becomes `name`; it is removed at the end, moved away or not.

    It is locked as long as this process lives; what killed processes left behind of `name` is removed first.
    """
    _remove_left_behind(parent, name)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}{MARK}", dir=parent))
    handle = os.open(temporary, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield temporary
    finally:
        os.close(handle)
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_left_behind(parent: Path, name: str) -> None:
    """Remove working files and folders whose processes are gone."""
    for left in parent.glob(f".{glob.escape(name)}{MARK}*"):
        try:
            if time.time() - left.stat().st_mtime < YOUNG:
                continue
            handle = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
        except OSError:
            continue  # somebody works there
        finally:
            os.close(handle)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it replaces `path` and what was there."""
    path = Path(os.path.abspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with working_directory(path.parent, path.name) as temporary:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
            path.replace(old / path.name)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)


def natural_order(path: Path) -> list[tuple[int, str]]:
    """A key that sorts names as people count: 2.png before 10.png."""
    parts = re.split("([0-9]+)", path.name)  # texts and numbers in turn
    return [(int(part), part) if number % 2 else (0, part) for number, part in enumerate(parts)]


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
