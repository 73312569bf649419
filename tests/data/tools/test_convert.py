"""KITTI-MOTS text to STEP PNGs and back."""

from pathlib import Path

import numpy as np
import pytest

from mapt.data.tools.convert import mots_to_step, step_to_mots
from mapt.errors import InputError
from mapt.labels.mots_text import read_mots_text
from mapt.labels.rle import encode_mask
from mapt.labels.step_png import read_step, write_step


def line(
    frame: int,
    identity: int,
    label: int,
    window: tuple[int, int, int, int],
    shape: tuple[int, int] = (8, 12),
) -> str:
    """A text line of a rectangle (y1, y2, x1, x2)."""
    mask = np.zeros(shape, bool)
    mask[window[0] : window[1], window[2] : window[3]] = True
    return f"{frame} {identity} {label} {shape[0]} {shape[1]} {encode_mask(mask).decode()}\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Car 1000 and 1999, person 2003, an ignored region; nothing in frame 1."""
    path = tmp_path / "text" / "0007.txt"
    path.parent.mkdir()
    path.write_text(
        line(0, 1000, 1, (0, 2, 0, 3))
        + line(0, 1999, 1, (2, 4, 0, 3))
        + line(0, 2003, 2, (5, 8, 6, 8))
        + line(0, 10000, 10, (0, 3, 9, 12))
        + line(2, 1999, 1, (2, 5, 1, 4))
    )
    return path


def test_text_becomes_pngs_and_comes_back_to_the_letter(text: Path, tmp_path: Path) -> None:
    count = mots_to_step({"0007": text}, tmp_path / "step")
    files = sorted((tmp_path / "step" / "0007").iterdir())
    assert count == 3 and [p.name for p in files] == ["000000.png", "000001.png", "000002.png"]
    semantic, instance = read_step(files[0])
    assert [int(v) for v in semantic[[0, 3, 6, 0, 7], [0, 0, 7, 10, 0]]] == [13, 13, 11, 255, 254]
    assert [int(v) for v in instance[[0, 3, 6, 0, 7], [0, 0, 7, 10, 0]]] == [1, 1000, 4, 0, 0]
    assert (read_step(files[1])[0] == 254).all()
    assert step_to_mots({"0007": tmp_path / "step" / "0007"}, tmp_path / "back") == 5
    assert (tmp_path / "back" / "0007.txt").read_text() == text.read_text()


def test_images_say_which_frames_there_are(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images" / "0007"
    folder.mkdir(parents=True)
    for number in (0, 1, 2, 5):
        (folder / f"{number:06d}.jpg").touch()
    mots_to_step({"0007": text}, tmp_path / "step", tmp_path / "images")
    assert [p.stem for p in sorted((tmp_path / "step" / "0007").iterdir())] == [
        "000000",
        "000001",
        "000002",
        "000005",
    ]
    (folder / "000002.jpg").unlink()
    with pytest.raises(
        InputError, match=r"0007\.txt: has objects in frame 2, .*images/0007 has no such image"
    ):
        mots_to_step({"0007": text}, tmp_path / "again", tmp_path / "images")
    with pytest.raises(InputError, match=r"text/0007: holds no image"):
        mots_to_step({"0007": text}, tmp_path / "again", tmp_path / "text")
    assert not (tmp_path / "again").exists()


def test_crowds_are_ignored_and_stuff_is_left_out(tmp_path: Path) -> None:
    semantic = np.array([[13, 13, 11, 0, 255]], np.uint8)
    write_step(tmp_path / "0000" / "000004.png", semantic, np.array([[0, 7, 7, 9, 0]], np.int32))
    step_to_mots({"val/0000": tmp_path / "0000"}, tmp_path / "out")
    objects = read_mots_text(tmp_path / "out" / "val" / "0000.txt")[4]
    assert [(o.id, o.label, o.mask()[0].tolist()) for o in objects] == [
        (1006, 1, [False, True, False, False, False]),
        (2006, 2, [False, False, True, False, False]),
        (10000, 10, [True, False, False, False, True]),
    ]


def test_what_the_format_cannot_hold_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    semantic = np.array([[13, 11]], np.uint8)
    instance = np.array([[1001, 1]], np.int32)
    write_step(tmp_path / "0000" / "000000.png", semantic, instance)
    with pytest.raises(
        InputError, match=r"000000\.png: has id 1, which becomes 2000, an object of the other class"
    ):
        step_to_mots({"0000": tmp_path / "0000"}, tmp_path / "out")
    (tmp_path / "0000" / "000000.png").rename(tmp_path / "0000" / "first.png")
    with pytest.raises(InputError, match=r"first\.png: is not named"):
        step_to_mots({"0000": tmp_path / "0000"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"0000: is already there"):
        step_to_mots({"0000": tmp_path / "0000"}, tmp_path / "0000")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "0 1000 1 8 12\n",
            r"0007\.txt:1: has 5 fields, KITTI-MOTS has six; write `frame id class",
        ),
        ("0 1000 1 8 12 zz0\n", r"0007\.txt:1: the mask "),
        (line(0, 70000, 1, (0, 1, 0, 1)), r"0007\.txt:1: id 70000 is not within 0\.\.65534"),
        (
            line(0, 1000, 1, (0, 1, 0, 1)) + line(1, 1000, 1, (0, 1, 0, 1), (8, 13)),
            r":2: is 8x13, the first line 8x12",
        ),
        (
            line(0, 1000, 1, (0, 3, 0, 3)) + line(0, 1001, 1, (2, 4, 2, 4)),
            r"frame 0: the mask of id 1001 overlaps",
        ),
        ("", r"holds no object"),
    ],
)
def test_bad_texts_are_named(text: Path, tmp_path: Path, lines: str, message: str) -> None:
    text.write_text(lines)
    with pytest.raises(InputError, match=message):
        mots_to_step({"0007": text}, tmp_path / "out")
    assert not (tmp_path / "out").exists()
