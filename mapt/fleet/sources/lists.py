"""Reads lists of recordings: text files, and tables in Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mapt.errors import InputError
from mapt.io.storage.bucket import BucketStorage
from mapt.io.storage.places import in_bucket, local_path
from mapt.io.user_files import read_file

SUFFIXES = (".txt", ".lst", ".parquet")
COLUMN = "source"


def is_list(text: str) -> bool:
    """Tell whether a source is a list of sources, by its suffix."""
    return PurePosixPath(text).suffix.lower() in SUFFIXES and not (
        "://" not in text and Path(text).is_dir()
    )


def read_list(text: str) -> Iterator[str]:
    """Yield the sources of a list. Relative paths begin at the list's own folder.

    Args:
        text: a path or an address of a text file with one source a line, where lines that begin
            with # are comments; or of a Parquet file with a column `source`.

    Raises:
        InputError: it cannot be read, or names nothing.
    """
    data = _read(text)
    entries = _rows(text, data) if text.lower().endswith(".parquet") else _lines(text, data)
    count = 0
    for entry in entries:
        count += 1
        yield _placed(text, entry)
    if not count:
        raise InputError(f"{text}: names no source; write one a line")


def _read(text: str) -> bytes:
    if not in_bucket(text):
        return read_file(local_path(text) or Path(text))
    address, _, name = text.rpartition("/")
    data = BucketStorage(address).read(name)
    if data is None:
        raise InputError(f"{text}: no such object; check the address")
    return data


def _lines(text: str, data: bytes) -> Iterator[str]:
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{text}: is not text in UTF-8; write one source a line") from None
    for line in map(str.strip, lines):
        if line and not line.startswith("#"):
            yield line


def _rows(text: str, data: bytes) -> Iterator[str]:
    from mapt.fleet.rows.tables import read_columns

    for row in read_columns(io.BytesIO(data), text, [COLUMN]):
        value = row[COLUMN]
        if not isinstance(value, str) or not value:
            raise InputError(f"{text}: column {COLUMN} holds {value!r:.40}; write paths as text")
        yield value


def _placed(text: str, entry: str) -> str:
    """An entry as it is found from here."""
    if "://" in entry or Path(entry).is_absolute():
        return entry
    folder = text.rpartition("/")[0]
    return f"{folder}/{entry}" if folder else entry
