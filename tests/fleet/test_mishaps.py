"""What may happen to a call meanwhile: two at once, `kill -9`, sources that vanish, odd names."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mapt.commands._shared.fleet import track_fleet
from mapt.fleet.rows.index import read_index
from mapt.fleet.sources.recordings import Recording, find_recordings
from mapt.io.storage.folder import FolderStorage
from tests.conftest import Ran
from tests.fleet.archives import SMALL, outputs
from tests.tools.processes import ROOT

Mapt = Callable[..., Ran]
pytest.importorskip("pyarrow")
# Writes half of the index, and is killed.
KILLED_AT_THE_INDEX = """
import os, signal
from pathlib import Path
from mapt.cli import main
write = Path.write_bytes
def half(path, data):
    write(path, data[: len(data) // 2] if "index" in path.name else data)
    if "index" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
Path.write_bytes = half
main()
"""


def arguments(data: Path, out: Path) -> list[str]:
    return ["track", str(data), *SMALL, "--save", "json,step", "--workers", "1", "--out", str(out)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def indexed(out: Path) -> list[str]:
    return [row["recording"] for row in read_index(FolderStorage(out))]


def test_two_calls_at_once_leave_whole_outputs(mapt: Mapt, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mapt.cli", *arguments(clips, out)]
    both = [
        subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [child.communicate()[1] for child in both]
    assert [child.returncode for child in both] == [0, 0], told
    assert "0 tracked, 0 frames; 4 were whole before" in mapt(*arguments(clips, out)).out
    assert indexed(out) == ["0000", "0001", "0002", "0003"]
    assert mapt(*arguments(clips, tmp_path / "alone")).code == 0
    assert outputs(out) == outputs(tmp_path / "alone")


def test_a_call_that_is_killed_in_its_index_leaves_none_and_the_next_writes_it(
    mapt: Mapt, clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED_AT_THE_INDEX, *arguments(clips, out)]
    killed = subprocess.run(command, env=environment(), capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert not (out / "index.parquet").exists()
    (half,) = out.glob(".index*")
    os.utime(half, (1, 1))  # what is younger than a minute may still be worked on
    assert "0 tracked, 0 frames; 4 were whole before" in mapt(*arguments(clips, out)).out
    assert len(indexed(out)) == 4
    assert not half.exists()


def test_a_source_that_vanishes_is_a_line_and_the_others_are_done(
    mapt: Mapt, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    shutil.copytree(clips / "training" / "image_02", images)

    def find(texts: Sequence[str], sequences: list[str] | None) -> list[Recording]:
        found = find_recordings(texts, sequences)
        shutil.rmtree(images / "0001")
        return found

    monkeypatch.setattr(track_fleet, "find_recordings", find)
    listed = tmp_path / "list.txt"
    listed.write_text("images/0000\nimages/0001\nimages/0002\n")
    ran = mapt(*arguments(listed, tmp_path / "out"))
    assert ran.code == 2 and "2 tracked, 8 frames; 0 were whole before; 1 failed" in ran.out
    assert [line for line in ran.err.splitlines() if line.startswith("0001: ")] == [
        f"0001: {images / '0001'}: is not there any more; check the path"
    ]


def test_names_with_spaces_and_of_any_language_and_empty_videos(
    mapt: Mapt, clips: Path, tmp_path: Path
) -> None:
    data = tmp_path / "vidéo 出"
    shutil.copytree(clips / "training" / "image_02" / "0000", data / "名前 x")
    (data / "空.mp4").write_bytes(b"")
    (data / "all.txt").write_text("名前 x\n空.mp4\n", encoding="utf-8")
    out = tmp_path / "o ü t"
    ran = mapt(*arguments(data / "all.txt", out))
    assert ran.code == 2 and "1 tracked, 4 frames; 0 were whole before; 1 failed" in ran.out
    assert "空.mp4: is no video" in ran.err
    assert indexed(out) == ["名前 x"] and (out / "名前 x" / "tracks.json").is_file()
    assert "1 recordings" in mapt("report", out, "--html", tmp_path / "r é.html").out
