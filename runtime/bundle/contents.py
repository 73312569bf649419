"""Reads the files of a bundle and checks their paths and hashes.

The bytes in use are always the bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mapt.errors import InputError
from mapt.regular_files import open_regular
from mapt.runtime.bundle.graphs.shared_parameters import restore_parameters

BLOCK = 1 << 20  # bytes
LARGEST = 1 << 32  # bytes of a file that is kept; ONNX files have half as many at most


@dataclass(frozen=True)
class Contents:
    """The files of a bundle that were checked against its manifest.

    Attributes:
        kept: the bytes of the files that are read once, when the bundle is.
        hashes: the SHA-256 of every file that the manifest names.
    """

    kept: Mapping[Path, bytes] = field(default_factory=dict, repr=False)
    hashes: Mapping[Path, str] = field(default_factory=dict, repr=False)

    def read(self, path: Path) -> bytes:
        """The bytes of a file, exactly those whose SHA-256 the manifest states.

        A file that no manifest names was written by this program itself, and is read as it is.

        Raises:
            InputError: it cannot be read, or has changed since.
        """
        if path in self.kept:
            return self.kept[path]
        try:
            with open_regular(path) as file:
                _check_size(path, os.fstat(file.fileno()).st_size, LARGEST)
                content = file.read()
        except OSError as error:
            raise _unreadable(path, error) from None
        if path in self.hashes:
            _compare(path, hashlib.sha256(content).hexdigest(), self.hashes[path])
        return content

    def digest(self, path: Path, content: bytes) -> str:
        """The SHA-256 of bytes that `read` gave; those that were checked are not hashed again."""
        return self.hashes.get(path) or hashlib.sha256(content).hexdigest()


def read_contents(
    hashes: Mapping[Path, str],
    keep: Collection[Path],
    graphs: Collection[Path] = (),
    parameters: Path | None = None,
) -> Contents:
    """Hash every file and compare it with its stated hash.

    The bytes of the files in `keep` stay in memory, so that they cannot change before their use.

    Args:
        hashes: the stated SHA-256 of every file; of a graph it is that of the graph with its
            parameters inside.
        keep: the files that are kept.
        graphs: those that refer to `parameters`.
        parameters: the file of the parameters that graphs share; None: they share none.

    Raises:
        InputError: a file is missing, cannot be read, or has another hash, or a graph does not
            refer to its parameters as it should.
    """
    stated = Contents(hashes=hashes)
    shared = stated.read(parameters) if parameters else None
    kept = {}
    for path, digest in hashes.items():
        if path == parameters:
            continue
        if shared is not None and path in graphs:
            kept[path] = restore_parameters(path, Contents().read(path), shared)
            _compare(path, hashlib.sha256(kept[path]).hexdigest(), digest)
        elif path in keep:
            kept[path] = stated.read(path)
        else:
            _compare(path, sha256(path), digest)
    return Contents(kept, hashes)


def sha256(path: Path) -> str:
    """Hex digest of a file.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while block := file.read(BLOCK):  # hashlib.file_digest came with Python 3.11
                digest.update(block)
    except OSError as error:
        raise _unreadable(path, error) from None
    return digest.hexdigest()


def inside(manifest: Path, name: str) -> Path:
    """The path of a file that a manifest names: beside or below the manifest, by name.

    It may be a link, as in a hub's cache or a Kubernetes volume. Where that leads does not matter:
    the hash decides.

    Raises:
        InputError: the name climbs out of the folder, or is none.
    """
    parts = Path(name).parts
    if not name.isprintable():
        raise InputError(
            f"{manifest}: names {name!r}, which is no file name; do not use this bundle"
        )
    if not parts or Path(name).is_absolute() or ".." in parts or "\\" in name:
        raise InputError(
            f"{manifest}: names {name!r}, which is outside the bundle; do not use this bundle"
        )
    return manifest.parent / name


def require_file(path: Path) -> None:
    """Refuse what is no regular file: a pipe or a device could be read for ever.

    Raises:
        InputError: it is none, or the system does not say.
    """
    try:
        found = path.is_file()
    except OSError as error:
        raise _unreadable(path, error) from None
    if not found:
        raise InputError(
            f"{path}: is named in the manifest but missing; export or copy the bundle again"
        )


def _check_size(path: Path, size: int, most: int) -> None:
    if size > most:
        raise InputError(f"{path}: has {size} bytes, more than any bundle's; export it again")


def _compare(path: Path, found: str, stated: str) -> None:
    if found != stated:
        raise InputError(
            f"{path}: its SHA-256 differs from the manifest's; the file was changed, export it"
            " again"
        )


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot be read ({error.strerror}); check its permissions, or copy the bundle"
        " again"
    )
