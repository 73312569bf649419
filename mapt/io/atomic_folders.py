"""Replaces folders of outputs.

A new folder is made beside the old one and exchanged with it. Files that are not ours are never
replaced.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mapt.errors import InputError
from mapt.io.atomic_files import check_folder, working_directory, write_json
from mapt.io.hidden_files import is_hidden_work
from mapt.io.user_files import read_json

INCOMPLETE = ".mapt-incomplete.json"  # a folder that is being filled file by file, and those files
DROPPINGS = (
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    ".directory",
)  # what systems leave in folders; kept
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_AT_FDCWD = -100

Ours = Callable[[str], bool]


def nothing(_: str) -> bool:
    """Tell that no file is ours, so that only those that a list names are replaced."""
    return False


@dataclass(frozen=True)
class Destination:
    """The destination of a folder of outputs.

    Attributes:
        target: as it was asked for.
        real: the same without links.
        swap: it can be exchanged as a whole; else, as a mount or where this process stands, it is
            filled file by file.
    """

    target: Path
    real: Path
    swap: bool

    @property
    def parent(self) -> Path:
        """The folder, on the same file system, in which the outputs are made."""
        return self.real.parent if self.swap else self.real


def find_place(target: Path, ours: Ours = nothing) -> Destination:
    """Check a destination before the work, without changing anything.

    Args:
        target: the folder.
        ours: tells the files, by their path below the folder, that an earlier run wrote.

    Raises:
        InputError: it is a file, cannot be written, or holds a file that no run of ours wrote.
    """
    check_folder(target.parent, str(target))
    try:
        real = Path(os.path.realpath(target))
        if real.exists() and not real.is_dir():
            raise InputError(
                f"{target}: is a file, the outputs need a folder there; choose another place"
            )
        place = Destination(
            target, real, not (real.is_dir() and (_is_mount(real) or _holds_us(real)))
        )
        check_folder(place.parent, str(target))
        unfinished = {INCOMPLETE, *_read_names(real / INCOMPLETE)}
        foreign = next(
            (n for n in _files(real) if not (n in unfinished or ours(n) or _is_dropping(n))), None
        )
    except OSError as error:
        raise InputError(
            f"{target}: cannot be used ({error.strerror}); choose another place"
        ) from None
    if foreign is not None:
        raise InputError(
            f"{target}: is replaced by the outputs, and {foreign} is none; choose another --out"
        )
    return place


@contextmanager
def published(target: Path, ours: Ours = nothing, keep: Ours = nothing) -> Iterator[Path]:
    """Yield a folder to fill that becomes `target`.

    On success it is at `target` with everything in it. On failure nothing has changed.

    What was there is exchanged in one step, so that a killed process leaves the old or the new. A
    mount is filled file by file, and says in `.mapt-incomplete.json` that it is not whole until it
    is.

    Args:
        target: the folder, which may be a link or a mount.
        ours: see `find_place`.
        keep: tells the older files of ours that stay beside the new ones.

    Raises:
        InputError: as `find_place`.
        OSError: from the writing itself.
    """
    place = find_place(target, ours)
    place.parent.mkdir(parents=True, exist_ok=True)
    with working_directory(place.parent, place.real.name) as work:
        yield work
        place = find_place(target, ours)  # somebody may have come meanwhile
        kept = [name for name in _files(place.real) if keep(name) or _is_dropping(name)]
        if place.swap:
            _swap(work, place.real, kept)
        else:
            _fill(work, place.real, kept)


def check_complete(folder: Path) -> None:
    """Refuse results whose publishing was interrupted.

    Raises:
        InputError: they are half old and half new.
    """
    if (folder / INCOMPLETE).exists():
        raise InputError(f"{folder}: was being replaced when the program ended; run it again")


def _read_names(path: Path) -> list[str]:
    """The names in a list; none where there is no list, or a damaged one."""
    try:
        names = read_json(path)
    except InputError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _is_dropping(name: str) -> bool:
    base = os.path.basename(name)
    return base in DROPPINGS or base.startswith("._")


def _files(folder: Path) -> list[str]:
    """List every file below a folder by its relative path.

    Unfinished work is left out. A link to a folder counts as a file.
    """
    found = list[str]()
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not is_hidden_work(f))
        below = os.path.relpath(root, folder)
        found += [
            os.path.normpath(os.path.join(below, name))
            for name in sorted(files)
            if not is_hidden_work(name)
        ]
        links = [f for f in folders if os.path.islink(os.path.join(root, f))]
        found += [os.path.normpath(os.path.join(below, name)) for name in links]
    return found


def _swap(work: Path, real: Path, kept: list[str]) -> None:
    for name in kept:
        if not (work / name).exists():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            _link(real / name, work / name)
    if not real.exists():
        try:
            work.rename(real)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another run was faster
                raise
    _keep_owner(real, work)
    try:
        _exchange(work, real)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EBUSY, errno.EXDEV):
            raise
        _fill(work, real, kept)


def _fill(work: Path, real: Path, kept: list[str]) -> None:
    """Move the files one by one under a marker, then remove the older ones that are ours."""
    new = _files(work)
    write_json(real / INCOMPLETE, sorted({*_files(real), *new} - {INCOMPLETE}))
    for name in new:
        (real / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / name, real / name)
    for name in {*_files(real)} - {*new, *kept, INCOMPLETE}:
        if not _is_dropping(name):
            (real / name).unlink()
    (real / INCOMPLETE).unlink()


def _link(source: Path, target: Path) -> None:
    """Link a file under another name, or copy it if the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _keep_owner(old: Path, new: Path) -> None:
    """Give a folder that replaces another its permissions and group."""
    state = old.stat()
    try:
        os.chown(new, -1, state.st_gid)
        new.chmod(stat.S_IMODE(state.st_mode))
    except OSError:
        return


def _exchange(one: Path, other: Path) -> None:
    """Exchange two names of a file system in one step.

    Raises:
        OSError: the system, or the file system, cannot.
    """
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "no exchange")
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, "no exchange")
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _holds_us(folder: Path) -> bool:
    """Tell whether the current folder is this one, or lies in it.

    Replacing the folder would take the current folder away from the user's shell.
    """
    return Path(os.path.realpath(os.curdir)).is_relative_to(folder)


def _is_mount(folder: Path) -> bool:
    """Tell whether something is mounted here, also from the same file system."""
    if os.path.ismount(folder):
        return True
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    points = {
        line.split(" ")[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
        for line in lines
    }
    return str(folder) in points
