"""Forged MCAP files are refused in one line, in bounded memory."""

import struct
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.io.sources.choice import open_named

zstandard = pytest.importorskip("zstandard")
writer = pytest.importorskip("mcap.writer")
MAGIC = b"\x89MCAP0\r\n"


def write_image_topic(path: Path, schema: str, message: bytes) -> Path:
    with path.open("wb") as file:
        out = writer.Writer(file)
        out.start()
        number = out.register_schema("sensor_msgs/msg/Image", "ros2msg", schema.encode())
        channel = out.register_channel("/camera", "cdr", number)
        out.add_message(channel, 1, message, 1)
        out.finish()
    return path


def write_chunk(path: Path, codec: bytes, data: bytes, size: int) -> Path:
    body = struct.pack("<QQQI", 0, 1, size, 0) + struct.pack("<I", len(codec)) + codec
    body += struct.pack("<Q", len(data)) + data
    records = struct.pack("<BQ", 1, 8) + bytes(8) + struct.pack("<BQ", 6, len(body)) + body
    path.write_bytes(MAGIC + records + struct.pack("<BQ", 2, 20) + bytes(20) + MAGIC)
    return path


def read(path: Path) -> None:
    for source in open_named([str(path)]):
        for _ in source:
            pass


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("string data\n", b"\0\1\0\0\2\0\0\0a\0"),  # no header
        ("string header\n", b"\0\1\0\0\2\0\0\0a\0"),  # a header without a stamp
        ("sensor_msgs/Image header\n", b"\0\1\0\0"),  # a type that holds itself
        ("uint32 height\nuint32 width\n", b"\0\1\0\0\1\0"),  # cut off
        ("uint8 E|x\n", b"\0\1\0\0\1\0"),
    ],
)
def test_odd_types(tmp_path: Path, schema: str, message: bytes) -> None:
    path = write_image_topic(tmp_path / "odd.mcap", schema, message)
    with pytest.raises(InputError, match=r"odd\.mcap: is damaged or no bag"):
        read(path)


def test_a_chunk_that_states_a_huge_size(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bytes of memory"):
        read(write_chunk(tmp_path / "huge.mcap", b"", b"", 1 << 40))


def test_a_chunk_whose_compressed_part_states_a_huge_size(tmp_path: Path) -> None:
    data = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 40) + b"\x01\0\0"
    assert zstandard.frame_content_size(data) == 1 << 40
    with pytest.raises(InputError, match=f"{1 << 40} bytes of memory"):
        read(write_chunk(tmp_path / "bomb.mcap", b"zstd", data, 100))


def test_an_unknown_compression(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is damaged or no bag"):
        read(write_chunk(tmp_path / "odd.mcap", b"odd", b"abc", 3))
