"""Every command refuses sizes, numbers and names that are none."""

from pathlib import Path
from typing import Any

import pytest

from mapt.io.pretrained import shipped_weights
from tests.robustness.mistakes import Run, told

SIZES = (
    "100000x100000",
    "0x0",
    "0x64",
    "-32x64",
    "64",
    "64x",
    "x",
    "64x64x64",
    "a" * 300,
    "6٤x64",
    "64 x 64",
    "1e9x1",
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("command", ["track", "synth", "export"])
def test_a_size_that_is_none(
    mapt: Run, tmp_path: Path, frames: Path, size: str, command: str
) -> None:
    commands: dict[str, tuple[Any, ...]] = {
        "track": (
            "track",
            frames,
            "--model",
            shipped_weights(),
            "--out",
            tmp_path / "out",
            f"--size={size}",
        ),
        "synth": ("synth", tmp_path / "out", f"--size={size}"),
        "export": ("export", shipped_weights(), "--out", tmp_path / "out", f"--size={size}"),
    }
    told(mapt(*commands[command]), "--size")
    assert not (tmp_path / "out").exists()


NUMBERS = [
    ("synth", "OUT", "--fps", "nan"),
    ("synth", "OUT", "--fps", "inf"),
    ("synth", "OUT", "--rare", "nan"),
    ("synth", "OUT", "--style", "lunar"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--fps", "nan"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--fps", "inf"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--fps", "1e300"),
    ("export", "x", "--out", "OUT", "--verify", "FRAMES", "--fps", "nan"),
    ("bench", "x", "--fps", "nan"),
    ("synth", "OUT", "--seed", "1" + "0" * 400),
    ("synth", "OUT", "--frames", "1" + "0" * 400),
    ("synth", "OUT", "--sequences", "99999999999999999999"),
    ("bench", "x", "--seeds", "9" * 5000),
    ("bench", "x", "--seeds", "1,"),
    ("synth", "OUT", "--split", "../x"),
    ("synth", "OUT", "--split", "a/b"),
    ("synth", "OUT", "--split", "x" * 300),
    ("synth", "OUT", "--split", "."),
    ("synth", "OUT", "--split", "\x1b[31m"),
    ("track", "FRAMES", "--out", "OUT", "--model", "x", "--sequences", ","),
    ("synth", ""),
    ("track", "FRAMES", "--out", "", "--model", "x"),
    ("track", "", "--out", "OUT", "--model", "x"),
    ("eval", "", "", "--dataset", "kitti-step"),
    ("synth", "OUT", "--split="),
]


@pytest.mark.parametrize(
    "arguments", NUMBERS, ids=lambda a: " ".join(a).encode("unicode_escape").decode()[:60]
)
def test_numbers_and_names_that_are_none(
    mapt: Run, tmp_path: Path, frames: Path, arguments: tuple[str, ...]
) -> None:
    names = {"OUT": str(tmp_path / "out"), "FRAMES": str(frames)}
    told(mapt(*(names.get(argument, argument) for argument in arguments)))
    assert not (tmp_path / "out").exists()


def test_names_that_steer_a_terminal_are_written_out(
    mapt: Run, tmp_path: Path, labels: Path
) -> None:
    name = "a\x1b]0;odd\x07\x1b[2Jb\x9b"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "0.png").write_bytes(b"no")
    for arguments in (
        ("track", folder, "--model", shipped_weights(), "--out", tmp_path / "out"),
        ("track", tmp_path / f"{name}.mp4", "--model", "x", "--out", tmp_path / "out"),
        ("eval", tmp_path, labels, "--dataset", "kitti-step"),
        ("data", "check", tmp_path, "--dataset", "kitti-step"),
        ("train", name),
        ("synth", tmp_path / name),
        ("nonsense" + name,),
    ):
        ran = mapt(*arguments)
        shown = ran.out + ran.err
        assert (
            ran.code == 2 and "\x1b]" not in shown and "\x07" not in shown and "\x9b" not in shown
        ), shown
        assert "\x1b[2J" not in shown
