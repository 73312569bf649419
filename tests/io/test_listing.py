"""Which files of a folder count, and which belong to one frame."""

from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.io.listing import by_frame, list_files, list_folders


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("10.png", "9.PNG", "._9.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    for name in ("0001", "._0001", ".cache", "folder.png"):
        (tmp_path / name).mkdir()
    assert [p.name for p in list_files(tmp_path, ".png")] == ["9.PNG", "10.png"]
    assert [p.name for p in list_folders(tmp_path)] == ["0001", "folder.png"]
    assert list_files(tmp_path / "nowhere", ".png") == list_folders(tmp_path / "nowhere") == []


def test_frames_pair_by_number_and_names_by_name() -> None:
    labels = by_frame([Path("000010.png"), Path("000002.png"), Path("last.png")])
    images = by_frame([Path("2.jpg"), Path("10.jpg"), Path("last.jpg")])
    assert [p.stem for p in labels.values()] == ["000002", "000010", "last"]
    assert labels.keys() == images.keys() and len(labels) == 3


def test_a_frame_that_is_there_twice_is_named() -> None:
    with pytest.raises(
        InputError, match=r"a/0\.png: is the frame of 000000\.png again; remove one of them"
    ):
        by_frame([Path("a/000000.png"), Path("a/0.png")])
