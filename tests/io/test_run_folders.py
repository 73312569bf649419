import os
from pathlib import Path
from typing import Any

import pytest

from mapt.errors import InputError
from mapt.io.run_folders import new_run, run_folder


def test_every_run_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    found = []
    for _ in range(3):
        with new_run("track", tmp_path / "runs") as folder:
            (folder / "video.mp4").touch()
            found.append(folder.name)
    assert found == ["track", "track2", "track3"]


def test_runs_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    with (
        new_run("track", tmp_path / "runs") as first,
        new_run("track", tmp_path / "runs") as second,
    ):
        assert first != second and first.is_dir() and second.is_dir()


def test_a_run_that_leaves_nothing_takes_its_folder_away(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="failed"), new_run("track", tmp_path / "runs"):
        raise ValueError("failed")
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs").mkdir()
    with new_run("track", tmp_path / "runs"):
        pass
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_folder_that_was_asked_for_is_taken_as_it_is(tmp_path: Path) -> None:
    with run_folder(tmp_path / "out", "track") as folder:
        assert folder == tmp_path / "out" and not folder.exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine")
    with (
        pytest.raises(InputError, match=r"runs: without --out .*runs is a file; choose another"),
        new_run("track", tmp_path / "runs"),
    ):
        pass
    with (
        pytest.raises(InputError, match="File name too long"),
        new_run("x" * os.pathconf(tmp_path, "PC_NAME_MAX") + "x", tmp_path / "other"),
    ):
        pass


def test_what_a_killed_run_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    def leave(folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / "tracks.csv").touch()
        os.utime(folder, (0, 0))
        return folder

    runs = tmp_path / "runs"
    left = [leave(runs / "track" / name) for name in ("step/.a.mapt-0011", ".a.mapt-0022")]
    (runs / "track" / "notes.txt").touch()
    with new_run("track", runs) as folder:
        assert folder.name == "track2"
    assert not any(path.exists() for path in left)
    assert [path.name for path in (runs / "track").iterdir()] == ["notes.txt"]


def test_a_parent_that_another_run_takes_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    make = Path.mkdir

    def made_and_taken_away(path: Path, *args: Any, **kwargs: Any) -> None:
        make(path, *args, **kwargs)
        if path == runs:
            monkeypatch.setattr(Path, "mkdir", make)
            runs.rmdir()

    monkeypatch.setattr(Path, "mkdir", made_and_taken_away)
    with new_run("track", runs) as folder:
        assert folder == runs / "track"
