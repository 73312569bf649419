"""Carries a network to other machines, which need not see this one's files."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from mapt.errors import InputError


@dataclass(frozen=True)
class ShippedModel:
    """A bundle or a weight file, with its content.

    Attributes:
        name: of the folder or file.
        inner: the size that is asked for of a bundle of several; empty: none.
        files: their contents by path; of a weight file the one path is empty.
    """

    name: str
    inner: str
    files: dict[str, bytes]

    def unpack(self) -> Path:
        """Write it into a temporary folder, which ends with the process, and return its path."""
        folder = Path(tempfile.mkdtemp(prefix="mapt-model-")) / self.name
        for name, data in self.files.items():
            path = folder / name if name else folder
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder / self.inner if self.inner else folder


def pack_model(path: Path) -> ShippedModel:
    """Read a bundle, `BUNDLE/HxW`, or a weight file.

    Raises:
        InputError: it cannot be read.
    """
    from mapt.runtime.bundle.manifest import find_root

    try:
        if path.is_file():
            return ShippedModel(path.name, "", {"": path.read_bytes()})
        root, inner = find_root(path)
        files = {
            file.relative_to(root).as_posix(): file.read_bytes()
            for file in sorted(root.rglob("*"))
            if file.is_file()
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return ShippedModel(root.resolve().name, inner, files)
