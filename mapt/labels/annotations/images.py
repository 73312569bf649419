"""Finds the images that an export names."""

from __future__ import annotations

from pathlib import Path

from mapt.errors import InputError
from mapt.io.listing import IMAGES


class ImageFinder:
    """Looks up images below a folder by the path or name that an export gives them.

    Exports keep their images in different folders, and many are unpacked into another one.

    Args:
        folder: searched with all folders below it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.suffix.lower() in IMAGES and not hidden:
                self.by_name.setdefault(path.name, []).append(path)

    def all(self) -> list[Path]:
        """Every image below the folder."""
        return sorted(path for paths in self.by_name.values() for path in paths)

    def find(self, name: str) -> Path | None:
        """The image whose path ends with `name`; None: there is none.

        Raises:
            InputError: several do.
        """
        wanted = Path(name).parts
        found = [
            p for p in self.by_name.get(Path(name).name, []) if p.parts[-len(wanted) :] == wanted
        ]
        if len(found) > 1:
            raise InputError(
                f"{self.folder}: has {len(found)} images {name}, such as {found[0]} and {found[1]};"
                " keep the images of one export in a folder of their own"
            )
        return found[0] if found else None
