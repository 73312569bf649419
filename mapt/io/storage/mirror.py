"""Keeps a copy of a run's numbered files in another place, from which another machine goes on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mapt.io.storage.storage import Storage


@dataclass(frozen=True)
class FileMirror:
    """Copies files whose names sort by their age.

    Attributes:
        storage: where the copies lie.
        pattern: of the names.
    """

    storage: Storage
    pattern: re.Pattern[str]

    def _names(self) -> list[str]:
        return sorted(name for name in self.storage.sizes() if self.pattern.fullmatch(name))

    def fetch(self, folder: Path) -> list[str]:
        """Copy what is newer than all files of the folder, and return the names.

        Raises:
            InputError: the place cannot be read, or half a file came.
        """
        own = [path.name for path in folder.glob("*") if self.pattern.fullmatch(path.name)]
        newer = [name for name in self._names() if name > max(own, default="")]
        folder.mkdir(parents=True, exist_ok=True)
        for name in newer:
            self.storage.get(name, folder / name)
        return newer

    def push(self, path: Path, keep: int, others: tuple[Path, ...] = ()) -> None:
        """Copy a new file, and remove the oldest until `keep` are left.

        Args:
            path: the file.
            keep: how many stay.
            others: files that replace theirs of the same name.

        Raises:
            InputError: the place cannot be written.
        """
        self.storage.put(path, path.name)
        for other in others:
            self.storage.put(other, other.name)
        self.storage.remove([name for name in self._names() if name <= path.name][:-keep])
