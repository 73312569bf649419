"""Packs named arrays into checked bytes: a JSON header and raw little-endian numbers.

Reading runs no code.

Layout: 4 bytes `MAPT`, 4 bytes kind, uint32 version, uint32 CRC-32 of all that follows, uint64
length of the header, the header `{"meta": {...}, "arrays": [[name, dtype, shape], ...]}` as UTF-8,
then the arrays in that order.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEAD = struct.Struct("<4s4sIIQ")
_AFTER_CRC = 16  # bytes up to and with the CRC
RANK = 8  # dimensions of an array at most
DTYPES = ("uint8", "int32", "int64", "float32", "float64")

Arrays = dict[str, NDArray[Any]]


def pack(
    kind: str, version: int, meta: Mapping[str, object], arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Bytes of a JSON-able `meta` and of arrays whose dtypes are in `DTYPES`.

    Args:
        kind: four ASCII letters.
        version: of the meaning of `meta` and `arrays`.
        meta: what is not an array.
        arrays: by name.
    """
    little = {
        name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in arrays.items()
    }
    table = [[name, a.dtype.name, list(arrays[name].shape)] for name, a in little.items()]
    header = json.dumps({"meta": dict(meta), "arrays": table}).encode()
    body = b"".join(
        (struct.pack("<Q", len(header)), header, *(a.tobytes() for a in little.values()))
    )
    return struct.pack("<4s4sII", b"MAPT", kind.encode(), version, zlib.crc32(body)) + body


def unpack(kind: str, version: int, data: bytes) -> tuple[dict[str, Any], Arrays]:
    """Return what `pack` was given.

    The arrays are read-only views of `data`.

    Raises:
        ValueError: other bytes, another kind or version, or damage of any sort; the text says
            which.
    """
    if len(data) < _HEAD.size or data[:4] != b"MAPT" or data[4:8] != kind.encode():
        raise ValueError("they are something else")
    _, _, found, crc, length = _HEAD.unpack_from(data)
    if found != version:
        raise ValueError(f"they are of version {found}, this one reads {version}")
    if zlib.crc32(memoryview(data)[_AFTER_CRC:]) != crc:
        raise ValueError("they are truncated or damaged")
    if length > len(data) - _HEAD.size:
        raise ValueError("their header is longer than they are")
    try:
        header = json.loads(data[_HEAD.size : _HEAD.size + length])
        meta = header["meta"]
        table = header["arrays"]
        listed = [(str(name), str(dtype), tuple(shape)) for name, dtype, shape in table]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("their header is malformed") from None
    if not isinstance(meta, dict):
        raise ValueError("their header is malformed")
    arrays = {}
    at = _HEAD.size + length
    for name, dtype, shape in listed:
        sized = (
            dtype in DTYPES
            and len(shape) <= RANK
            and all(type(n) is int and 0 <= n <= len(data) for n in shape)
        )
        size = math.prod(shape) * np.dtype(dtype).itemsize if sized else -1
        if size < 0 or at + size > len(data) or name in arrays:
            raise ValueError(f"their array {name[:40]!r} does not fit")
        kept = np.frombuffer(data, np.uint8, size, at).view(np.dtype(dtype).newbyteorder("<"))
        arrays[name] = kept.reshape(shape).astype(dtype, copy=False)
        at += size
    if at != len(data):
        raise ValueError("there is more than their header names")
    return meta, arrays
