"""Reads the file of the golden picture, a NumPy archive.

Type and shape of every array are checked before one is unpacked.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Layout = Mapping[str, tuple[str, tuple[int, ...]]]  # dtype and shape by name
HEADER = 256  # bytes in front of an array, at most: NumPy takes 128
METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # those of NumPy; others unpack more at once than is asked for


def read_arrays(content: bytes, layout: Layout) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` archive.

    Nothing is unpacked that is larger than its array, whatever the archive says, and nothing is
    unpickled.

    Args:
        content: the archive.
        layout: the arrays that must be in it, and no others.

    Raises:
        ValueError: it is none, or holds something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_names([entry.filename for entry in archive.infolist()], layout)
            return {name: _read_array(archive, name, *layout[name]) for name in layout}
    except ValueError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's parser of headers have a dozen kinds
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _check_names(found: list[str], layout: Layout) -> None:
    wanted = {f"{name}.npy" for name in layout}
    if missing := sorted(wanted - set(found)):
        raise ValueError(f"{missing[0]} is missing")
    if len(found) > len(wanted):
        raise ValueError(f"it holds {len(found)} arrays, not {len(wanted)}")


def _read_array(
    archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int, ...]
) -> NDArray[np.generic]:
    entry = archive.getinfo(f"{name}.npy")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if entry.compress_type not in METHODS:
        raise ValueError(f"{name} is packed by method {entry.compress_type}")
    if not size < entry.file_size <= size + HEADER:
        raise ValueError(f"{name} unpacks to {entry.file_size} bytes, its array has {size}")
    with archive.open(entry) as file:
        data = file.read(size + HEADER)
    stream = io.BytesIO(data)
    if npy.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} has another version of NumPy's format")
    found = npy.read_array_header_1_0(stream)
    if found != (shape, False, np.dtype(dtype)) or len(data) - stream.tell() != size:
        raise ValueError(f"{name} is {found[2]} {found[0]}, not {dtype} {shape}")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)
