"""Refuses an MCAP file whose chunks would not fit into memory, before they are decompressed."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mapt.errors import InputError

LARGEST = 1 << 28  # bytes of a chunk; recorders write some millions
MAGIC = 8  # bytes in front of the first record
RECORD = struct.Struct("<BQ")  # kind and length
CHUNK = 6
HEAD = struct.Struct("<QQQII")  # first and last time, size, checksum, length of the codec's name
FRAME = 18  # bytes of zstd's frame header at most


def check_chunks(file: BinaryIO, path: Path, starts: Iterable[int] | None) -> None:
    """Check what every chunk states of itself.

    Args:
        file: the MCAP file.
        path: its name, for messages.
        starts: where its index says that chunks begin; None: it has no index.

    Raises:
        InputError: a chunk is larger than `LARGEST`, also where only its compressed part says so.
    """
    for start in _chunk_starts(file) if starts is None else starts:
        size = _chunk_size(file, start)
        if size > LARGEST:
            raise InputError(
                f"{path}: a chunk of it would take {size} bytes of memory, {LARGEST} at most are"
                " read; record smaller chunks"
            )


def _chunk_starts(file: BinaryIO) -> Iterator[int]:
    """Where the records of chunks begin, up to where the file ends."""
    at = MAGIC
    while True:
        file.seek(at)
        head = file.read(RECORD.size)
        if len(head) < RECORD.size:
            return
        kind, length = RECORD.unpack(head)
        if kind == CHUNK:
            yield at
        at += RECORD.size + length
        if at >= 1 << 63:  # beyond what a file can have
            return


def _chunk_size(file: BinaryIO, start: int) -> int:
    """Bytes that a chunk needs in memory; 0 where there is none that can be read."""
    if not 0 <= start < 1 << 62:
        return 0
    file.seek(start + RECORD.size)
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return 0
    _, _, size, _, name = HEAD.unpack(head)
    if name != 4 or file.read(name) != b"zstd":
        return int(size)
    file.seek(8, 1)
    return max(int(size), _zstd_size(file.read(FRAME)))


def _zstd_size(head: bytes) -> int:
    """The size that a frame of zstd states; 0 where it states none."""
    import zstandard

    try:
        size = int(zstandard.frame_content_size(head))
    except zstandard.ZstdError:
        return 0
    return max(size, 0)
