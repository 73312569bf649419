import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def _content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(mapt: Run, tmp_path: Path) -> None:
    common = ("--sequences", 2, "--frames", 2, "--size", "96x312")
    for name, seed, workers in (("a", 3, 1), ("b", 3, 2), ("c", 4, 1)):
        ran = mapt("synth", tmp_path / name, *common, "--seed", seed, "--workers", workers)
        assert ran.code == 0 and "2 sequences of 2 frames, 96x312" in ran.out, ran.err
    first = _content(tmp_path / "a")
    assert first == _content(tmp_path / "b") != _content(tmp_path / "c")
    assert sorted(first) == sorted(
        f"{part}/{sequence}/{frame}.png"
        for part in ("training/image_02", "panoptic_maps/val")
        for sequence in ("0000", "0001")
        for frame in ("000000", "000001")
    )


def test_rare_streets_are_other_streets(mapt: Run, tmp_path: Path) -> None:
    common = ("--sequences", 1, "--frames", 1, "--size", "96x312", "--seed", 3)
    for rare in (0, 1):
        assert mapt("synth", tmp_path / str(rare), *common, "--rare", rare).code == 0
    assert _content(tmp_path / "0") != _content(tmp_path / "1")
    assert mapt("synth", tmp_path / "2", *common, "--rare", 2).code == 2


@pytest.mark.parametrize(
    ("size", "words"), [("96", "is not HEIGHTxWIDTH"), ("8x8", "too small"), ("0x40", "is not")]
)
def test_a_bad_size(mapt: Run, tmp_path: Path, size: str, words: str) -> None:
    ran = mapt("synth", tmp_path / "out", "--size", size)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_kept(mapt: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    ran = mapt("synth", tmp_path, "--sequences", 1, "--frames", 1)
    assert ran.code == 2 and "is not empty" in ran.err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_takes_its_workers_with_it(tmp_path: Path, number: signal.Signals) -> None:
    """All processes share one output: it ends with the last of them."""
    command = [
        sys.executable,
        "-m",
        "mapt.cli",
        "synth",
        str(tmp_path / "out"),
        "--sequences",
        "3",
        "--workers",
        "2",
    ]
    command += ["--frames", "10000", "--size", "32x96"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as child:
        try:
            while len({p.parent for p in tmp_path.rglob("*.png")}) < 4:
                assert child.poll() is None
                time.sleep(0.05)
            child.send_signal(number)
            child.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    assert not (tmp_path / "out").exists()
