from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.errors import InputError
from mapt.io.image_files import read_rgb
from mapt.io.sources.folders import FolderSource, open_sources

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
    assert [f.stem for f in frames] == ["a", "b", "c"] and [f.stamp_ns for f in frames] == [
        0,
        200_000_000,
        400_000_000,
    ]


def test_numbers_count_as_numbers_and_no_frame_comes_twice(tmp_path: Path) -> None:
    for number in (10, 2, 1, 0):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), PICTURE)
    assert [f.stem for f in next(iter(open_sources(tmp_path, 5)))] == [
        "frame0",
        "frame1",
        "frame2",
        "frame10",
    ]
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


def touch_frames(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        assert cv2.imwrite(str(folder / name), PICTURE)
    return folder


def milliseconds(path: Path, fps: float | None = None) -> list[int]:
    (source,) = open_sources(path, fps)
    return [frame.stamp_ns // 1_000_000 for frame in source]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("0.png", "1.png", "60.png", "61.png"), [0, 100, 6000, 6100]),
        (("000100.png", "000101.png", "000103.png"), [0, 100, 300]),
        (("cam_07.jpg", "cam_08.jpg", "cam_10.jpg"), [0, 100, 300]),
        (("a.png", "b.png", "d.png"), [0, 100, 200]),
        (("1403636579763555584.png", "1403636579813555456.png"), [0, 49]),  # Unix time in ns
        (("1403636579763.png", "1403636579963.png"), [0, 200]),  # in ms
    ],
)
def test_time_follows_the_numbers_of_the_names(
    tmp_path: Path, names: tuple[str, ...], expected: list[int]
) -> None:
    assert milliseconds(touch_frames(tmp_path / "drive", *names)) == expected


def test_an_assumed_rate_is_told_and_a_stated_one_is_taken(tmp_path: Path) -> None:
    home = tmp_path / "train" / "MOT-07"
    touch_frames(home / "img1", "000001.jpg", "000002.jpg", "000004.jpg")
    (source,) = open_sources(home)
    assert isinstance(source, FolderSource)
    assert source.name == "MOT-07" and source.assumed.startswith("10 frames per second are assumed")
    (home / "seqinfo.ini").write_text("[Sequence]\nname=MOT-07\nframeRate=25\n")
    for path in (home, home / "img1", tmp_path / "train"):
        (stated,) = open_sources(path)
        assert (stated.name, stated.fps, stated.assumed) == ("MOT-07", 25.0, "")
    assert milliseconds(home) == [0, 40, 120]
    assert milliseconds(home, 10) == [0, 100, 300]
    (home / "seqinfo.ini").write_text("[Sequence]\nframeRate=often\n")
    with pytest.raises(
        InputError, match=r"seqinfo\.ini: has no \[Sequence\] with a frameRate; correct it"
    ):
        open_sources(home)


def test_a_frame_under_two_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1\.png: is the frame of 000001\.png again"):
        open_sources(touch_frames(tmp_path / "drive", "1.png", "000001.png"))
