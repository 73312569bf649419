"""Lists the visible files of a folder by suffix, and frames by their number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mapt.errors import InputError

IMAGES = (".png", ".jpg", ".jpeg")  # suffixes of the frames that are read
FrameKey = tuple[int, str]  # sorts numbered frames by number, before those that have only a name


def natural_order(path: Path) -> list[tuple[int, str]]:
    """A key that sorts names as people count: 2.png before 10.png."""
    parts = re.split("([0-9]+)", path.name)  # texts and numbers in turn
    return [(int(part), part) if number % 2 else (0, part) for number, part in enumerate(parts)]


def visible(paths: Iterable[Path]) -> list[Path]:
    """The paths whose name does not begin with a dot, sorted.

    Systems leave such files beside others: macOS writes `._000000.png` on disks that are not its
    own.
    """
    return sorted(p for p in paths if not p.name.startswith("."))


def list_files(folder: Path, *suffixes: str) -> list[Path]:
    """List the visible files of a folder that have one of these suffixes, in natural order.

    Upper and lower case are the same. A missing folder has no files. Pipes and broken links are
    listed too: reading them raises an error, so no frame is lost silently.
    """
    if not folder.is_dir():
        return []
    found = visible(p for p in folder.iterdir() if p.suffix.lower() in suffixes and not p.is_dir())
    return sorted(found, key=natural_order)


def list_folders(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted; none where there is no folder."""
    return visible(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def frame_key(path: Path) -> FrameKey:
    """Return what the files of one frame have in common.

    `0.png` and `000000.jpg` both belong to frame 0. Names that are not numbers count as they are.
    """
    stem = path.stem
    return (int(stem), "") if stem.isascii() and stem.isdecimal() else (-1, stem)


def by_frame(files: Iterable[Path]) -> dict[FrameKey, Path]:
    """Files by their frame, in the frames' order.

    Raises:
        InputError: two files are of one frame.
    """
    found: dict[FrameKey, Path] = {}
    for path in files:
        other = found.setdefault(frame_key(path), path)
        if other is not path:
            raise InputError(f"{path}: is the frame of {other.name} again; remove one of them")
    return dict(
        sorted(found.items(), key=lambda item: (item[0][0] < 0, item[0][0], natural_order(item[1])))
    )
