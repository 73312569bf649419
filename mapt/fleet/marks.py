"""Marks recordings that are done. A recording is done exactly when its outputs are whole.

The mark is written last. It names the key of what was done, and the files that were written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mapt.app.outputs.kinds import KINDS
from mapt.io.storage.storage import Storage

FOLDER = "recordings"
FORMAT = 1


@dataclass(frozen=True)
class FileSet:
    """The files of a recording, in brief.

    Attributes:
        count: how many.
        bytes: their sum.
        digest: SHA-256 of their names and sizes.
    """

    count: int
    bytes: int
    digest: str


@dataclass(frozen=True)
class Mark:
    """That a recording is done.

    Attributes:
        key: of what was asked for: bundle, source and options.
        files: sizes of the files in the recording's own folder. Others may lie beside them.
        sets: all files of folders with one file a frame.
        row: of the index.
    """

    key: str
    files: Mapping[str, int]
    sets: Mapping[str, FileSet]
    row: Mapping[str, Any] = field(default_factory=dict)


def file_set(sizes: Mapping[str, int]) -> FileSet:
    """Describe files by their names and sizes."""
    lines = "".join(f"{name}\0{size}\n" for name, size in sorted(sizes.items()))
    return FileSet(len(sizes), sum(sizes.values()), hashlib.sha256(lines.encode()).hexdigest())


def mark_name(recording: str) -> str:
    """The name of a recording's mark in the archive."""
    return f"{FOLDER}/{recording}.json"


def read_mark(archive: Storage, recording: str) -> Mark | None:
    """Return a recording's mark; None where there is none, or a damaged one."""
    data = archive.read(mark_name(recording))
    return None if data is None else parse_mark(data)


def parse_mark(data: bytes) -> Mark | None:
    """Return the mark in these bytes; None where they are none."""
    try:
        content = json.loads(data)
        files = {str(name): int(size) for name, size in content["files"].items()}
        sets = {str(name): FileSet(**entry) for name, entry in content["sets"].items()}
        if content["format"] != FORMAT or not isinstance(content["row"], dict):
            return None
        return Mark(str(content["key"]), files, sets, content["row"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_mark(archive: Storage, recording: str, mark: Mark) -> None:
    """Write a recording's mark, after its outputs."""
    content = {
        "format": FORMAT,
        "key": mark.key,
        "files": dict(mark.files),
        "sets": {name: asdict(files) for name, files in mark.sets.items()},
        "row": dict(mark.row),
    }
    archive.write(mark_name(recording), json.dumps(content).encode() + b"\n")


def mark_outputs(
    archive: Storage, recording: str, key: str, row: Mapping[str, Any], kinds: Collection[str]
) -> Mark:
    """Describe the outputs that lie in the archive now.

    Args:
        archive: where they are.
        recording: its name.
        key: of what was asked for.
        row: of the index.
        kinds: of `mapt.app.outputs.kinds`, which were written.
    """
    own = archive.sizes(recording) if {*kinds} - {"step"} else {}
    wanted = [name for kind in kinds for name in KINDS[kind].files]
    folders = [f"step/{recording}"] if "step" in kinds else []
    folders += [f"{recording}/yolo"] if "yolo" in kinds else []
    files = {name: own[name] for name in wanted}
    return Mark(key, files, {place: file_set(archive.sizes(place)) for place in folders}, row)


def is_whole(archive: Storage, recording: str, mark: Mark) -> bool:
    """Tell whether every file that the mark names is there, with its size."""
    if mark.files:
        found = archive.sizes(recording)
        if any(found.get(name) != size for name, size in mark.files.items()):
            return False
    return all(file_set(archive.sizes(place)) == files for place, files in mark.sets.items())


def read_rows(archive: Storage) -> Iterator[dict[str, Any]]:
    """Yield the row of every recording that is marked as done, by name."""
    names = sorted(name for name in archive.sizes(FOLDER) if name.endswith(".json"))
    for data in archive.read_all([f"{FOLDER}/{name}" for name in names]):
        mark = parse_mark(data)
        if mark is not None:
            yield dict(mark.row)
