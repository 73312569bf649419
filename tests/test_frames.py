from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.errors import InputError
from mapt.frames import open_sources, read_rgb

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_every_truncation_is_noticed(tmp_path: Path, suffix: str) -> None:
    """OpenCV itself fills the missing rest with grey."""
    path = tmp_path / f"a{suffix}"
    assert cv2.imwrite(str(path), PICTURE)
    content = path.read_bytes()
    assert read_rgb(path).shape == (40, 60, 3)
    for kept in (0, 1, 8, len(content) // 2, len(content) * 9 // 10, len(content) - 20):
        path.write_bytes(content[:kept])
        with pytest.raises(InputError, match=rf"a\{suffix}: is truncated or not a readable image"):
            read_rgb(path)


def test_damage_inside_a_png_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    for name in ("a.png", "a.jpg"):  # the bytes say what it is, not the name
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=rf"{name}: is truncated or not a readable image"):
            read_rgb(tmp_path / name)


def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), PICTURE[..., 0])
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack((PICTURE, PICTURE[..., :1])))
    np.testing.assert_array_equal(read_rgb(tmp_path / "grey.png")[..., 1], PICTURE[..., 0])
    np.testing.assert_array_equal(read_rgb(tmp_path / "alpha.png"), PICTURE[..., ::-1])


def test_a_folder_is_in_the_order_of_names_and_keeps_time(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), PICTURE)
    (tmp_path / "notes.txt").write_text("no picture")
    (source,) = open_sources(tmp_path, fps=5)
    frames = list(source)
    assert [f.stem for f in frames] == ["a", "b", "c"] and [f.stamp_ns for f in frames] == [0, 200_000_000, 400_000_000]


def test_numbers_count_as_numbers_and_no_frame_comes_twice(tmp_path: Path) -> None:
    for number in (10, 2, 1, 0):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), PICTURE)
    assert [f.stem for f in next(iter(open_sources(tmp_path, 5)))] == ["frame0", "frame1", "frame2", "frame10"]
    cv2.imwrite(str(tmp_path / "frame2.jpg"), PICTURE)
    with pytest.raises(InputError, match="has frame frame2 in 2 formats; remove all but one"):
        open_sources(tmp_path, 5)


def test_a_dataset_gives_its_sequences(tmp_path: Path) -> None:
    for name in ("0002", "0001"):
        (tmp_path / "training" / "image_02" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "training" / "image_02" / name / "000000.png"), PICTURE)
    assert [s.name for s in open_sources(tmp_path, 10)] == ["0001", "0002"]
    assert [s.name for s in open_sources(tmp_path, 10, ["0002"])] == ["0002"]
    with pytest.raises(InputError, match="0009"):
        open_sources(tmp_path, 10, ["0009"])


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_sources(tmp_path / "nowhere", 10)
    with pytest.raises(InputError, match=str(tmp_path)):
        open_sources(tmp_path, 10)
