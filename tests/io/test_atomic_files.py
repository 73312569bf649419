"""Outputs appear whole or not at all, and killed processes leave nothing for ever."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mapt.io.atomic_files import atomic_file, working_directory
from mapt.io.atomic_folders import published
from mapt.io.hidden_files import YOUNG

HOLD = """
import sys
from pathlib import Path
from mapt.io.atomic_files import atomic_file, working_directory
root = Path(sys.argv[1])
with working_directory(root, "drive") as folder, atomic_file(root / "run.record") as file:
    (folder / "000000.png").write_text("x")
    print("here", flush=True)
    sys.stdin.read()
"""


def age(root: Path) -> list[Path]:
    """What is hidden there, made old enough to be suspected."""
    hidden = sorted(root.glob(".*"))
    for path in hidden:
        os.utime(path, (time.time() - 2 * YOUNG,) * 2)
    return hidden


def use(root: Path) -> None:
    with working_directory(root, "drive"), atomic_file(root / "run.record") as file:
        file.write_text("whole")


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / ".drive-of-the-user").mkdir()
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    try:
        assert child.stdout and child.stdout.readline() == "here\n"
        held = age(tmp_path)
        assert len(held) == 3
        use(tmp_path)
        assert sorted(tmp_path.glob(".*")) == held
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    age(tmp_path)
    use(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".drive-of-the-user", "run.record"]


def test_what_is_young_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapt.io.hidden_files.YOUNG", 1e6)
    (tmp_path / ".drive.mapt-abcdefgh").mkdir()
    use(tmp_path)
    assert (tmp_path / ".drive.mapt-abcdefgh").is_dir()


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    for write in (atomic_file, published):
        with pytest.raises(ValueError, match="stop"), write(tmp_path / "out") as temporary:
            if temporary.is_dir():
                (temporary / "half").write_text("half")
            raise ValueError("stop")
        assert not list(tmp_path.iterdir())
    for text in ("one", "two"):
        with published(tmp_path / "out", lambda name: name == "file") as temporary:
            (temporary / "file").write_text(text)
    assert (tmp_path / "out" / "file").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["file"]
