"""Writes files that appear complete or not at all.

They are written under a hidden name in the target's folder and then renamed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mapt.errors import InputError
from mapt.io.hidden_files import hidden_name, lock, remove_left_behind, unlock


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
        remove_left_behind(folder, place.stem)
    temporary = folder / hidden_name(place.stem, place.suffix)
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        lock(handle)
        yield temporary
        if stream:
            with temporary.open("rb") as source, _open_stream(path) as target:
                shutil.copyfileobj(source, target)
        else:
            _keep_mode(place, temporary)
            temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)
        unlock(handle)


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
    remove_left_behind(parent, name)
    temporary = parent / hidden_name(name)
    temporary.mkdir()
    handle = os.open(temporary, os.O_RDONLY)
    try:
        lock(handle)
        yield temporary
    finally:
        unlock(handle)
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
        if not lock(handle):
            raise InputError(
                f"{folder}: another run is working there; wait for its end, or choose another --out"
            )
        yield
    finally:
        unlock(handle)
        if made:
            with suppress(OSError):  # it holds what was made
                folder.rmdir()


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
