"""Image files: whole or not, whatever lies behind their end."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.image_files import encode_image, is_whole_jpeg, read_rgb, write_image

PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def jpeg(*options: int) -> bytes:
    return encode_image(".jpg", PICTURE, *options)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("behind", [b"\n", bytes(5000), b"\xff\xd8 another picture \xff\xd9"])
def test_bytes_behind_the_end_do_not_matter(tmp_path: Path, suffix: str, behind: bytes) -> None:
    path = tmp_path / f"0{suffix}"
    path.write_bytes(encode_image(suffix, PICTURE))
    plain = read_rgb(path)
    path.write_bytes(path.read_bytes() + behind)
    np.testing.assert_array_equal(read_rgb(path), plain)


@pytest.mark.parametrize(
    "options",
    [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)],
    ids=["baseline", "progressive", "restarts"],
)
def test_a_jpeg_is_whole_at_its_end_marker_and_nowhere_before(options: tuple[int, ...]) -> None:
    data = jpeg(*options)
    assert is_whole_jpeg(data)
    assert not any(is_whole_jpeg(data[:length]) for length in range(0, len(data) - 1, 7))


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    data = jpeg()
    thumbnail = jpeg()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    held = data[:2] + segment + data[2:]
    assert is_whole_jpeg(held)
    assert not is_whole_jpeg(held[: len(held) // 2])


def test_sixteen_bits_are_refused_instead_of_cut_to_their_high_byte(tmp_path: Path) -> None:
    good, data = cv2.imencode(".png", (PICTURE.astype(np.uint16) << 2))
    assert good
    (tmp_path / "0.png").write_bytes(bytes(data))
    with pytest.raises(
        InputError, match=r"0\.png: has 16 bits a channel, frames have 8; convert it"
    ):
        read_rgb(tmp_path / "0.png")


def test_names_that_are_not_utf8_are_read_and_written(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/stra\xdfe"))
    write_image(folder / os.fsdecode(b"\xe9.png"), PICTURE)
    np.testing.assert_array_equal(read_rgb(folder / os.fsdecode(b"\xe9.png")), PICTURE)


def test_an_unknown_suffix_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be written as \.what"):
        write_image(tmp_path / "x.what", PICTURE)
    assert not list(tmp_path.iterdir())
