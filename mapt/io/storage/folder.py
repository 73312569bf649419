"""A folder as a place for files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.io.hidden_files import is_hidden_work


@dataclass(frozen=True)
class FolderStorage:
    """A folder, which may not exist yet; see `mapt.io.storage.storage.Storage`."""

    folder: Path

    @property
    def uri(self) -> str:
        """Its path."""
        return str(self.folder)

    def read(self, name: str) -> bytes | None:
        """See `Storage`."""
        path = self.folder / name
        with _told(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """See `Storage`."""
        path = self.folder / name
        with _told(path), atomic_file(path) as temporary:
            temporary.write_bytes(data)

    def sizes(self, below: str = "") -> dict[str, int]:
        """See `Storage`. Unfinished work is left out."""
        top = self.folder / below
        found = {}
        for root, folders, files in os.walk(top):
            folders[:] = sorted(f for f in folders if not is_hidden_work(f))
            for name in sorted(files):
                path = Path(root, name)
                with suppress(FileNotFoundError):  # removed meanwhile
                    if not is_hidden_work(name):
                        found[path.relative_to(top).as_posix()] = path.stat().st_size
        return found

    def put(self, path: Path, name: str) -> None:
        """See `Storage`."""
        _copy(path, self.folder / name)

    def get(self, name: str, path: Path) -> None:
        """See `Storage`."""
        _copy(self.folder / name, path)

    def upload(self, folder: Path, below: str) -> None:
        """See `Storage`."""
        for name in FolderStorage(folder).sizes():
            _copy(folder / name, self.folder / below / name)

    def download(self, below: str, folder: Path) -> None:
        """See `Storage`."""
        for name in self.sizes(below):
            _copy(self.folder / below / name, folder / name)

    def remove(self, names: list[str]) -> None:
        """See `Storage`."""
        for name in names:
            with _told(self.folder / name):
                (self.folder / name).unlink(missing_ok=True)

    def read_all(self, names: list[str]) -> Iterator[bytes]:
        """See `Storage`."""
        for name in names:
            data = self.read(name)
            if data is not None:
                yield data


def _copy(source: Path, target: Path) -> None:
    with _told(source), atomic_file(target) as temporary:
        shutil.copyfile(source, temporary)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in one line what the system refused."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be used ({error.strerror}); check the path and its permissions"
        ) from None
