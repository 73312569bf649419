"""What a place for files offers, whether it is a folder or a prefix in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """A place that holds files by their names, which are paths below it with `/`.

    A file appears whole or not at all. What cannot be read or written is an InputError that names
    it.

    Attributes:
        uri: as it was named.
    """

    @property
    def uri(self) -> str: ...  # noqa: D102

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None where there is no such file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        ...

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the size in bytes of every file below a name, by its path below that name."""
        ...

    def put(self, path: Path, name: str) -> None:
        """Copy a file into the place, whole or not at all."""
        ...

    def get(self, name: str, path: Path) -> None:
        """Copy a file out of the place, whole or not at all.

        Raises:
            InputError: there is no such file, or half of it came.
        """
        ...

    def upload(self, folder: Path, below: str) -> None:
        """Copy the files of a folder, each whole or not at all."""
        ...

    def download(self, below: str, folder: Path) -> None:
        """Copy every file below a name into a folder.

        Raises:
            InputError: a file is shorter or longer than the place says.
        """
        ...

    def remove(self, names: list[str]) -> None:
        """Remove files; those that are not there are no error."""
        ...

    def read_all(self, names: list[str]) -> Iterator[bytes]:
        """Yield the contents of files in this order; those that vanished are left out."""
        ...
