"""Writes files that appear complete or not at all.

They are written under a hidden name in the target's folder and then renamed.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mapt.errors import InputError
from mapt.regular_files import open_regular

_held = set[int]()  # handles of locks, which children forget
MARK = ".mapt-"  # in the names of what is not whole yet
YOUNG = 60  # seconds in which such a thing may not have its lock yet
LONGEST = 200  # bytes of a name that go into a hidden one; file systems take 255


def check_writable(path: Path | None, option: str) -> None:
    """Check before the work that a file can be written at its end.

    Raises:
        InputError: it is a folder, or something on the way to it is a file or may not be written.
    """
    if path is None:
        return
    _check_name(path, option)
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; name a file in it")
    if _is_stream(path):
        return
    check_folder(path.parent, f"{option} {path}")


def _check_name(path: Path, option: str) -> None:
    """Refuse a name that no file can have."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{option} {path}: is no usable path ({reason}); choose another place"
        ) from None


def check_folder(folder: Path, what: str) -> None:
    """Check before the work that a folder, which may not exist yet, can be written to.

    Raises:
        InputError: something on the way to it is a file or may not be written; `what` begins the
            message.
    """
    try:
        there = next(p for p in (folder.absolute(), *folder.absolute().parents) if _is_there(p))
        if not there.exists():
            raise InputError(f"{what}: {there} is a link to nowhere; choose another place")
        if not there.is_dir():
            raise InputError(f"{what}: {there} is a file; choose another place")
        if not os.access(there, os.W_OK | os.X_OK):
            raise InputError(f"{what}: {there} may not be written; choose another place")
    except OSError as error:  # a name that is too long, a loop of links
        raise InputError(
            f"{what}: is no usable path ({error.strerror}); choose another place"
        ) from None
    _try(there, what)


def _is_there(path: Path) -> bool:
    """Tell whether anything has this name; unlike `lexists`, raise for an invalid name."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _try(folder: Path, what: str) -> None:
    """Check that a folder can be written to, by making a folder in it.

    Permissions do not suffice: root may write everywhere, but nothing can be made in /proc.
    """
    probe = folder / hidden_name("try")
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise InputError(
            f"{what}: nothing can be made in {folder} ({error.strerror}); choose another place"
        ) from None


def read_file(path: Path, advice: str = "check the path and its permissions") -> bytes:
    """Read a user's whole file.

    A pipe is not opened, because it might never end.

    Raises:
        InputError: missing, unreadable, or no regular file; `advice` ends the message.
    """
    try:
        with open_regular(path) as file:
            return file.read()
    except (OSError, ValueError) as error:  # a name with a null byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read ({reason}); {advice}") from None


def read_text(path: Path, advice: str = "check the path and its permissions") -> str:
    """Read a user's text file in UTF-8, with or without a byte-order mark.

    Raises:
        InputError: as `read_file`, or it is no such text.
    """
    try:
        return read_file(path, advice).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8; {advice}") from None


def read_json(path: Path, advice: str = "check the path and its permissions") -> Any:
    """Read a user's JSON file.

    Raises:
        InputError: as `read_text`, or it is no JSON.
    """
    try:
        return json.loads(read_text(path, advice))
    except (ValueError, RecursionError) as error:
        place = (
            f"line {error.lineno}"
            if isinstance(error, json.JSONDecodeError)
            else "nested too deep, or a long number"
        )
        raise InputError(f"{path}: is not JSON ({place}); {advice}") from None


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder.

    On success the file replaces `path`. On failure it is removed.

    The temporary name keeps the target's suffix, because encoders choose the format by it. A link
    stays one, and what it names is replaced. A device or a pipe is not replaced: it is given the
    finished content.
    """
    stream = _is_stream(path)
    place = Path(os.path.realpath(path)) if path.is_symlink() and not stream else path
    folder = Path(tempfile.gettempdir()) if stream else place.parent
    folder.mkdir(parents=True, exist_ok=True)
    if not stream:
        _remove_left_behind(folder, place.stem)
    temporary = folder / hidden_name(place.stem, place.suffix)
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _lock(handle)
        yield temporary
        if stream:
            with temporary.open("rb") as source, _open_stream(path) as target:
                shutil.copyfileobj(source, target)
        else:
            _keep_mode(place, temporary)
            temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)
        _unlock(handle)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder in the system's temporary directory, and remove it afterwards.

    Raises:
        InputError: there is no place for one.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="mapt-")
    except OSError as error:
        raise InputError(
            f"no temporary folder can be made ({error.strerror}); name one in TMPDIR"
        ) from None
    with folder as name:
        yield Path(name)


@contextmanager
def working_directory(parent: Path, name: str) -> Iterator[Path]:
    """Yield a hidden folder in `parent` in which to make `name`.

    At the end the folder is removed, if it is still there.

    It is locked as long as this process lives; what killed processes left behind of `name` is
    removed first.
    """
    _remove_left_behind(parent, name)
    temporary = parent / hidden_name(name)
    temporary.mkdir()
    handle = os.open(temporary, os.O_RDONLY)
    try:
        _lock(handle)
        yield temporary
    finally:
        _unlock(handle)
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes.

    The folder is made if it is missing, and then removed again if it stays empty. The lock ends
    with this process, however it ends. On a file system without locks nobody is kept out.

    Raises:
        InputError: another process has the folder.
        OSError: it cannot be made.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        if not _lock(handle):
            raise InputError(
                f"{folder}: another run is working there; wait for its end, or choose another --out"
            )
        yield
    finally:
        _unlock(handle)
        if made:
            with suppress(OSError):  # it holds what was made
                folder.rmdir()


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


def _remove_left_behind(parent: Path, name: str) -> None:
    """Remove working files and folders whose processes are gone."""
    for left in parent.glob(f"{glob.escape(_beginning(name))}*"):
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


def _lock(handle: int) -> bool:
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


def _unlock(handle: int) -> None:
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


def _keep_mode(old: Path, new: Path) -> None:
    """Give a file that replaces another its permissions; a new one has the user's umask."""
    try:
        new.chmod(stat.S_IMODE(old.stat().st_mode))
    except OSError:
        return


def _open_stream(path: Path) -> BinaryIO:
    """Open a device or a pipe for writing.

    Raises:
        InputError: nobody reads the pipe, for which `open` would wait.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(
                f"{path}: nobody reads what is written there; start its reader first"
            ) from None
        raise
    os.set_blocking(handle, True)
    return open(handle, "wb")


def _is_stream(path: Path) -> bool:
    """Tell whether the path is a device or a pipe, neither a file nor a folder."""
    try:
        kind = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
