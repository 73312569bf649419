"""Keeps the pieces of a recording that is not whole yet, beside the archive's outputs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mapt.errors import InputError
from mapt.io.storage.storage import Storage
from mapt.runtime.persistence.packing import pack, unpack

FOLDER = "pieces"
KIND = "PIEC"
VERSION = 1
_NUMBER = re.compile(r"(\d{6})\.state")


@dataclass(frozen=True)
class SavedState:
    """Where the next piece begins.

    Attributes:
        frames: how many are labelled.
        before: what is subtracted from the tracker's ids, so that the recording's begin at 1.
        state: the tracker's bytes.
    """

    frames: int
    before: int
    state: bytes


@dataclass(frozen=True)
class PieceStore:
    """The pieces of one recording under one key: what was asked for otherwise is not found.

    Attributes:
        archive: where they lie.
        recording: its name.
        key: of what was asked for.
    """

    archive: Storage
    recording: str
    key: str

    @property
    def _folder(self) -> str:
        return f"{FOLDER}/{self.recording}/{self.key[:24]}"

    def count(self) -> int:
        """Return how many pieces are whole, from the first on. A state is written last."""
        found = {
            m[1] for name in self.archive.sizes(self._folder) if (m := _NUMBER.fullmatch(name))
        }
        count = 0
        while f"{count:06d}" in found:
            count += 1
        return count

    def state(self, number: int) -> SavedState:
        """Return the state after a piece.

        Raises:
            InputError: it is damaged.
        """
        name = f"{self._folder}/{number:06d}.state"
        try:
            meta, arrays = unpack(KIND, VERSION, self.archive.read(name) or b"")
            return SavedState(int(meta["frames"]), int(meta["before"]), arrays["state"].tobytes())
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{self.archive.uri}/{name}: is damaged; remove it, and run it again"
            ) from None

    def add(self, number: int, labels: Path, state: SavedState) -> None:
        """Write a piece: the labels in a folder, then the state."""
        self.archive.upload(labels, self._folder)
        meta = {"frames": state.frames, "before": state.before}
        arrays = {"state": np.frombuffer(state.state, np.uint8)}
        self.archive.write(f"{self._folder}/{number:06d}.state", pack(KIND, VERSION, meta, arrays))

    def fetch(self, number: int, folder: Path) -> Path:
        """Copy the labels of a piece into a folder.

        Raises:
            InputError: they are not there.
        """
        path = folder / labels_name(number)
        self.archive.get(f"{self._folder}/{path.name}", path)
        return path

    def clear(self) -> None:
        """Remove all pieces of the recording, also those of other keys."""
        below = f"{FOLDER}/{self.recording}"
        self.archive.remove([f"{below}/{name}" for name in self.archive.sizes(below)])


def labels_name(number: int) -> str:
    """The name of a piece's labels."""
    return f"{number:06d}.labels"
