"""Reads and writes image files as bytes, and checks that they are complete.

Python opens the files, so any path works and a full disk is reported here.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.io.atomic_files import atomic_file
from mapt.io.user_files import read_file
from mapt.regular_files import open_regular

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
PNG_DEPTH = 24  # where a PNG's header says how many bits a channel has
HEADER = 33  # bytes of a PNG's signature and first chunk
_AUTHOR = b"tEXtSoftware\x00MAPT"
_MARKER = re.compile(
    rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL
)  # in entropy-coded data; stuffing and restarts are none
_ALONE = (0x01, *range(0xD0, 0xD9))  # JPEG markers without a length


def is_whole_png(data: bytes) -> bool:
    """Tell whether a PNG's chunks are complete and their checksums right.

    Bytes behind its end do not matter. This is checked before libpng reads the file, because libpng
    writes to standard error and fills in the missing part of a truncated file.
    """
    begin = len(PNG)
    if data[:begin] != PNG:
        return False
    while begin + 12 <= len(data):
        end = begin + 12 + int.from_bytes(data[begin : begin + 4], "big")
        if zlib.crc32(data[begin + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return False
        if data[begin + 4 : begin + 8] == b"IEND":
            return end <= len(data)
        begin = end
    return False


def is_whole_jpeg(data: bytes) -> bool:
    """Tell whether a JPEG reaches its end marker.

    Bytes behind the marker do not matter, and neither do the ends of pictures inside segments.

    libjpeg fills what is missing of a truncated file with gray and only warns.
    """
    if data[:2] != JPEG:
        return False
    begin = 2
    while found := _MARKER.match(data, begin):
        kind = data[found.end() - 1]
        begin = found.end()
        if kind == 0xD9:  # end of the image
            return True
        if kind in _ALONE:
            continue
        begin += max(2, int.from_bytes(data[begin : begin + 2], "big"))
        if kind == 0xDA:  # a scan: entropy-coded data up to the next marker
            following = _MARKER.search(data, begin)
            if following is None:
                return False
            begin = following.start()
    return False


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """An image file as (H,W,3) uint8 RGB, turned upright as its EXIF says.

    Raises:
        InputError: missing, truncated, not an image, or of 16 bits a channel. Damage inside a JPEG
            of full length shows in the picture alone.
    """
    return decode_rgb(read_file(path), str(path))


def decode_rgb(data: bytes, where: str) -> NDArray[np.uint8]:
    """An image file's bytes as (H,W,3) uint8 RGB; see `read_rgb`.

    Args:
        data: of a PNG or JPEG.
        where: what messages call it.
    """
    whole = is_whole_png(data) if data[:8] == PNG else is_whole_jpeg(data)
    if whole and data[:8] == PNG and data[PNG_DEPTH] == 16:
        # OpenCV would keep the high byte: a picture of 12 bits in 16 would come out black.
        raise InputError(
            f"{where}: has 16 bits a channel, frames have 8; convert it with one scale for all"
            " frames"
        )
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if whole else None
    if image is None:
        raise InputError(f"{where}: is truncated or not a readable image; copy it again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def encode_image(suffix: str, image: NDArray[np.uint8], *options: int) -> bytes:
    """An image file's bytes.

    Args:
        suffix: ".png" or ".jpg", which chooses the format.
        image: (H,W,3) uint8 RGB.
        options: of `cv2.imencode`.

    Raises:
        ValueError: there is no such format.
    """
    try:
        good, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        raise ValueError(f"cannot be written as {suffix} ({error.err})") from None
    if not good:
        raise ValueError(f"cannot be written as {suffix}")
    return bytes(data)


def signed_png(data: bytes) -> bytes:
    """The PNG with a text chunk that names this program, by which `is_written_here` knows it."""
    chunk = (len(_AUTHOR) - 4).to_bytes(4, "big") + _AUTHOR + zlib.crc32(_AUTHOR).to_bytes(4, "big")
    return data[:HEADER] + chunk + data[HEADER:]


def write_signed_image(path: Path, image: NDArray[np.uint8]) -> None:
    """As `write_image`; of a PNG `is_written_here` then knows that a newer one may replace it."""
    data = encode_image(path.suffix, image)
    with atomic_file(path) as temporary:
        temporary.write_bytes(signed_png(data) if path.suffix.lower() == ".png" else data)


def is_written_here(path: Path) -> bool:
    """Tell whether `signed_png` made this PNG, so that a newer one may replace it."""
    try:
        with open_regular(path) as file:
            return _AUTHOR in file.read(HEADER + len(_AUTHOR) + 8)
    except OSError:
        return False


def write_image(path: Path, image: NDArray[np.uint8], *options: int) -> None:
    """Write (H,W,3) uint8 RGB as the suffix says; the file appears whole or not at all.

    Raises:
        OSError: it cannot be written; OpenCV's own writer says nothing of a full disk.
    """
    data = encode_image(path.suffix, image, *options)
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
