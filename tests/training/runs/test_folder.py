"""A run has its folder for itself, and touches nothing there that no run wrote."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapt.data.loader import load_batches
from mapt.errors import InputError
from mapt.io.atomic_files import own_folder
from mapt.training.checkpoint import checkpoints
from mapt.training.config import TrainConfig
from mapt.training.loop import train

Tiny = Callable[..., TrainConfig]
TRY = """
import sys
from pathlib import Path
from mapt.errors import InputError
from mapt.io.atomic_files import own_folder
try:
    with own_folder(Path(sys.argv[1])):
        print("free")
except InputError as error:
    print(error)
"""


def ask(folder: Path) -> str:
    """What another process hears that wants the folder."""
    command = [sys.executable, "-c", TRY, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_second_run_in_a_folder_is_refused_at_once(
    mapt: Callable[..., Any], config_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with own_folder(out):
        ran = mapt("train", config_file, "--out", out)
        assert (
            ran.code == 2
            and ran.err
            == f"mapt: {out}: another run is working there; wait for its end, or choose another"
            " --out\n"
        )
        assert "another run" in ask(out)
    assert not out.exists() and ask(out) == "free"


def test_a_run_keeps_the_folder_until_it_ends(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    out = tmp_path / "run"

    def asking(*arguments: Any) -> Any:
        heard.append(ask(out))
        return load_batches(*arguments)

    monkeypatch.setattr("mapt.training.loop.load_batches", asking)
    train(tiny("schedule.iterations=1"), out)
    assert len(heard) == 1 and "another run is working there" in heard[0] and ask(out) == "free"


def test_a_child_does_not_hold_the_folder_of_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom mapt.io.atomic_files import"
        " own_folder\nwith own_folder(Path(sys.argv[1])):\n    child = os.fork()\n    if not"
        " child:\n        os.close(1); sys.stdin.read(); os._exit(0)\n    print('here',"
        " flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout and parent.stdout.read() == "here\n"  # to its end: both have closed it
        parent.wait()
        assert ask(tmp_path) == "free"


def test_files_that_no_run_wrote_stay(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    mine = (
        "checkpoint-best.pt",
        "checkpoint-0000001.pt.bak",
        "checkpoint-1.pt",
        "checkpoint-00000001.pt",
        "notes.md",
    )
    for name in mine:
        (out / name).write_text("mine")
    (out / "checkpoint-9999999.pt").mkdir()
    train(tiny("keep=1", "checkpoint_every=1"), out)
    assert [path.name for path in checkpoints(out)] == ["checkpoint-0000004.pt"]
    assert (
        all((out / name).read_text() == "mine" for name in mine)
        and (out / "checkpoint-9999999.pt").is_dir()
    )


@pytest.mark.parametrize("name", ["weights.safetensors", "losses.csv", "predictions.jpg"])
def test_a_file_of_somebody_else_is_not_replaced(tiny: Tiny, tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(
        InputError, match=re.escape(f"{name} is of no run that began there; move it")
    ):
        train(tiny(), tmp_path / "run")
    assert (tmp_path / "run" / name).read_text() == "mine"


def test_what_a_run_left_before_its_first_checkpoint_is_replaced(
    tiny: Tiny, tmp_path: Path
) -> None:
    (tmp_path / "losses.csv").write_text("iteration,rate\n1,0.1\n")
    (tmp_path / "log.txt").write_text("2026-01-01 00:00:00 started at iteration 0\n")
    train(tiny("schedule.iterations=1"), tmp_path)
    assert "gradient_norm" in (tmp_path / "losses.csv").read_text()
