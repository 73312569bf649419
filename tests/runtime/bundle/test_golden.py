"""Only the expected arrays of the golden picture's file are unpacked, and none is unpickled."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mapt.contract import ModelInfo
from mapt.errors import InputError
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.golden import read_arrays
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.perception.self_test import layout, self_test

LAYOUT = {"image": ("uint8", (1, 4, 6, 3)), "boxes": ("float32", (2, 4))}
ARRAYS = {
    name: np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    for name, (dtype, shape) in LAYOUT.items()
}
Arrays = dict[str, NDArray[Any]]


def packed(arrays: Arrays | None = None) -> bytes:
    """An archive as the exporter writes it."""
    out = io.BytesIO()
    np.savez_compressed(out, **(ARRAYS if arrays is None else arrays))
    return out.getvalue()


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def entry(name: str) -> bytes:
    """An array as NumPy saves it."""
    out = io.BytesIO()
    np.save(out, ARRAYS[name])
    return out.getvalue()


def header(text: str) -> bytes:
    """An image whose header says this, in front of its bytes."""
    line = text.ljust(117) + "\n"
    return (
        b"\x93NUMPY\x01\x00"
        + len(line).to_bytes(2, "little")
        + line.encode()
        + ARRAYS["image"].tobytes()
    )


SPOILT: dict[str, bytes] = {"image.npy": entry("image"), "boxes.npy": entry("boxes")}


def spoilt(data: bytes) -> bytes:
    """An archive with another image."""
    return zipped({**SPOILT, "image.npy": data})


def lying() -> bytes:
    """An archive whose directory says that an image of 20 MB is as large as it should be."""
    content = bytearray(spoilt(entry("image") + bytes(20_000_000)))
    size = (len(entry("image")) + 20_000_000).to_bytes(4, "little")
    return bytes(content).replace(size, len(entry("image")).to_bytes(4, "little"))


def test_what_was_packed_is_read() -> None:
    found = read_arrays(packed(), LAYOUT)
    assert {name: (a.dtype, a.tolist()) for name, a in found.items()} == {
        name: (a.dtype, a.tolist()) for name, a in ARRAYS.items()
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "BadZipFile"),
        (b"PK\x03\x04", "BadZipFile"),
        (entry("image"), "BadZipFile"),
        (packed()[:-30], "BadZipFile"),
        (packed({}), "boxes.npy is missing"),
        (packed({**ARRAYS, "more": ARRAYS["image"]}), "it holds 3 arrays, not 2"),
        (packed({**ARRAYS, "image": ARRAYS["image"].astype("float64")}), "image unpacks to"),
        (packed({**ARRAYS, "image": ARRAYS["image"].astype("int8")}), "image is int8"),
        (packed({**ARRAYS, "image": ARRAYS["image"][..., :2]}), "image is uint8 (1, 4, 6, 2)"),
        (packed({**ARRAYS, "image": np.asfortranarray(ARRAYS["image"])}), "image is uint8"),
        (packed({**ARRAYS, "image": np.array([print], object)}), "image"),
        (spoilt(bytes(20_000_000)), "image unpacks to 20000000 bytes, its array has 72"),
        (lying(), "BadZipFile"),
        (zipped(SPOILT, zipfile.ZIP_BZIP2), "packed by method 12"),
        (zipped(SPOILT, zipfile.ZIP_LZMA), "packed by method 14"),
        (spoilt(entry("image")[:-1]), "image"),
        (spoilt(b"\x93NUMPY\x03" + entry("image")[7:]), "another version"),
        (
            spoilt(header("{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776,), }")),
            "image is uint8",
        ),
        (
            spoilt(header("{'descr': '|O', 'fortran_order': False, 'shape': (1, 4, 6, 3), }")),
            "image is object",
        ),
        (spoilt(header("(" * 110)), ""),
        (spoilt(header("__import__('os').abort()")), ""),
        (spoilt(header("{'descr': '|u1'")), ""),
    ],
)
def test_another_archive_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(ValueError) as error:
        read_arrays(content, LAYOUT)
    assert says in str(error.value)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    original = packed()
    start = data.draw(st.integers(0, len(original) - 1))
    end = data.draw(st.integers(start, min(start + 4, len(original))))
    try:
        read_arrays(original[:start] + data.draw(st.binary(max_size=4)) + original[end:], LAYOUT)
    except ValueError:
        pass


def test_the_layout_is_that_of_a_bundle(bundle: Path) -> None:
    read = read_bundle(bundle)
    assert read.golden
    with np.load(read.golden) as stored:
        assert {n: (str(stored[n].dtype), stored[n].shape) for n in stored.files} == layout(
            read.info
        )


@pytest.mark.parametrize(
    "change", [lambda _: spoilt(bytes(20_000_000)), lambda b: b[:-1], lambda _: b""]
)
def test_a_tracker_names_a_damaged_golden_file(
    bundle: Path, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    read = read_bundle(bundle)
    assert read.golden
    (tmp_path / "golden.npz").write_bytes(change(read.golden.read_bytes()))
    with pytest.raises(
        InputError, match=r"golden\.npz: cannot be compared \(.*\); export the bundle again"
    ) as error:
        self_test(OrtBackend(read, 1, "cpu"), replace(read, golden=tmp_path / "golden.npz"))
    assert "\n" not in str(error.value)


def test_huge_sizes_need_no_memory_before_they_are_compared(info: ModelInfo) -> None:
    sizes = {**info.sizes, "H": 65536, "W": 65536, "S": 65536}
    assert layout(replace(info, height=65536, width=65536, sizes=sizes))["semantic.s"] == (
        "float32",
        (4096,),
    )
