"""PNG files as bytes."""

from __future__ import annotations

import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_whole(data: bytes) -> bool:
    """Are a PNG's chunks complete and their checksums right?

    Asked before libpng, which talks to standard error, and fills what is missing of a truncated file.
    """
    begin, kind = len(SIGNATURE), b""
    if data[:begin] != SIGNATURE:
        return False
    while begin + 12 <= len(data) and kind != b"IEND":
        end, kind = begin + 12 + int.from_bytes(data[begin : begin + 4], "big"), data[begin + 4 : begin + 8]
        if zlib.crc32(data[begin + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return False
        begin = end
    return kind == b"IEND" and begin == len(data)
