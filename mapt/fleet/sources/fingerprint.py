"""Tells whether a source or a network is the one of an earlier call."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from mapt.errors import InputError
from mapt.fleet.sources.recordings import Recording
from mapt.io.sources.folders import dataset_folders
from mapt.io.storage.bucket import BucketStorage
from mapt.io.storage.places import in_bucket
from mapt.io.user_files import read_file

STAMPS = ("ETag", "etag", "generation", "LastModified", "updated")  # of S3 and Google's store


def source_fingerprint(recording: Recording) -> str:
    """Return a digest of a source's files: their names, sizes, and times or hashes.

    Raises:
        InputError: there is nothing, or it cannot be asked.
    """
    if in_bucket(recording.source):
        storage = BucketStorage(recording.source)
        entry = storage.entry()
        entries = {"": entry} if entry is not None else storage.entries()
        facts = [f"{name}\0{_facts(found)}" for name, found in sorted(entries.items())]
    else:
        facts = _of_path(_own_place(recording))
    if not facts:
        raise InputError(f"{recording.source}: is not there any more; check the path")
    return hashlib.sha256("\n".join([*facts, recording.sequence]).encode()).hexdigest()


def _facts(entry: dict[str, Any]) -> str:
    return " ".join([str(entry["size"]), *(str(entry[key]) for key in STAMPS if key in entry)])


def _own_place(recording: Recording) -> Path:
    """The files of a recording; of a dataset, those of the one sequence."""
    path = Path(recording.source)
    if not recording.sequence:
        return path
    return (dataset_folders(path) or {}).get(recording.sequence, path)


def _of_path(path: Path) -> list[str]:
    try:
        if path.is_file():
            return [_of_file(path, "")]
        return [
            _of_file(Path(root, name), os.path.relpath(os.path.join(root, name), path))
            for root, _, files in sorted(os.walk(path))
            for name in sorted(files)
        ]
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None


def _of_file(path: Path, name: str) -> str:
    state = path.stat()
    return f"{name}\0{state.st_size} {state.st_mtime_ns}"


def model_fingerprint(path: Path, inner: str = "") -> str:
    """Return a digest of a network: of a bundle's manifest, which names every hash, or of weights.

    Args:
        path: a bundle's folder, or a weight file.
        inner: the size that was asked for of a bundle.

    Raises:
        InputError: it cannot be read.
    """
    from mapt.runtime.bundle.manifest import find_root

    if path.is_file():
        return hashlib.sha256(read_file(path)).hexdigest()
    root, name = find_root(path)
    manifest = read_file(root / "manifest.json", "make a bundle with `mapt export`")
    return hashlib.sha256(manifest + f"{name or inner}".encode()).hexdigest()
