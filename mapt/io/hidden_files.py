"""Names, locks and removal of the hidden files and folders in which outputs are made.

A process locks what it works on. Another process removes a hidden file or folder only if no process
holds its lock.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MARK = ".mapt-"  # in the names of what is not whole yet
YOUNG = 60  # seconds in which such a thing may not have its lock yet
LONGEST = 200  # bytes of a name that go into a hidden one; file systems take 255

_held = set[int]()  # handles of locks, which forked children close


def hidden_name(name: str, suffix: str = "") -> str:
    """A new hidden name for what becomes `name`, never too long for a file system."""
    return (
        f"{_beginning(name)}{secrets.token_hex(4)}{suffix if len(os.fsencode(suffix)) < 20 else ''}"
    )


def _beginning(name: str) -> str:
    encoded = os.fsencode(name)
    if len(encoded) > LONGEST:
        name = f"{hashlib.sha256(encoded).hexdigest()[:16]}"
    return f".{name}{MARK}"


def is_hidden_work(name: str) -> bool:
    """Tell whether this is the name of an unfinished file or folder."""
    return name.startswith(".") and MARK in name


def remove_left_behind(parent: Path, name: str) -> None:
    """Remove working files and folders of `name` whose processes are gone."""
    _remove(parent.glob(f"{glob.escape(_beginning(name))}*"))


def remove_all_left_behind(folder: Path) -> None:
    """Remove all working files and folders in a folder whose processes are gone.

    The folder goes too if nothing else was in it.
    """
    found = list(folder.glob(f".*{MARK}*"))
    _remove(found)
    if found:
        with suppress(OSError):  # it holds more
            folder.rmdir()


def _remove(found: Iterable[Path]) -> None:
    for left in found:
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
            continue  # somebody works there, or the file system has no locks to ask
        finally:
            os.close(handle)


def lock(handle: int) -> bool:
    """Lock an unfinished file or folder; returns False if another process has the lock.

    Where the file system has no locks, nobody is refused, and nothing left behind is removed.
    """
    _held.add(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def unlock(handle: int) -> None:
    """Release a lock and close its handle."""
    if handle in _held:  # not in a child, where the number may stand for something else
        _held.discard(handle)
        os.close(handle)


def _forget_locks() -> None:
    """Close the handles of all locks in a forked child.

    A lock lives as long as any process holds its handle, and a child may outlive its parent.
    """
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_forget_locks)
