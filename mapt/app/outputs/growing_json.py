"""Writes a JSON object whose lists grow item by item, in bounded memory."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any


class GrowingJson:
    """A JSON file that holds an object.

    Items wait in files without a name beside it, so nothing remains of a run that fails.

    Args:
        path: the file; it appears with `finish`.
        lists: the keys whose values grow, in the order in which they are written.
    """

    def __init__(self, path: Path, *lists: str) -> None:
        self._path = path
        self._parts: dict[str, IO[str]] = {
            name: tempfile.TemporaryFile("w+", dir=path.parent, encoding="utf-8") for name in lists
        }

    def append(self, name: str, item: Any) -> None:
        """Add an item to a list."""
        part = self._parts[name]
        if part.tell():
            part.write(", ")
        part.write(json.dumps(item))

    def finish(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Write the file.

        Args:
            before: keys and values that come before the lists.
            after: those that come after them.
        """
        with self._path.open("w", encoding="utf-8") as file:
            file.write("{")
            separator = ""
            for key, value in before.items():
                file.write(f"{separator}{json.dumps(key)}: {json.dumps(value)}")
                separator = ", "
            for key, part in self._parts.items():
                file.write(f"{separator}{json.dumps(key)}: [")
                part.seek(0)
                shutil.copyfileobj(part, file)
                file.write("]")
                separator = ", "
            for key, value in after.items():
                file.write(f"{separator}{json.dumps(key)}: {json.dumps(value)}")
                separator = ", "
            file.write("}\n")

    def close(self) -> None:
        """Throw the items away."""
        for part in self._parts.values():
            with suppress(OSError):  # what a full disk could not take
                part.close()
