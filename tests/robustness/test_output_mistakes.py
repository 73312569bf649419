"""Every command refuses a place that cannot be written before it works."""

from pathlib import Path
from typing import Any

import pytest

from mapt.io.pretrained import shipped_weights
from tests.robustness.mistakes import Run, told

PLACES = ("a file", "below a file", "/proc", "a long name", "a link to nowhere")


def place(name: str, root: Path) -> Path:
    """A path where nothing can be written."""
    (root / "file").write_text("mine")
    (root / "link").symlink_to(root / "no" / "where")
    places = (
        root / "file",
        root / "file" / "x.json",
        Path("/proc/x/y.json"),
        root / ("n" * 300),
        root / "link" / "x.json",
    )
    return dict(zip(PLACES, places, strict=True))[name]


@pytest.mark.parametrize("command", ["track", "synth", "export", "train", "demo", "convert"])
@pytest.mark.parametrize("name", PLACES)
def test_an_impossible_out_is_told_before_the_work(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, config: Path, name: str, command: str
) -> None:
    out = place(name, tmp_path)
    weights = shipped_weights()
    commands: dict[str, tuple[Any, ...]] = {
        "track": ("track", frames, "--model", weights, "--out", out),
        "synth": ("synth", out, "--sequences", 1, "--frames", 1, "--size", "32x32"),
        "export": ("export", weights, "--out", out, "--no-check"),
        "train": ("train", config, "--out", out),
        "demo": ("demo", "--out", out),
        "convert": ("data", "convert", labels, out),
    }
    ran = mapt(*commands[command])
    told(ran)
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "no").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize(
    "command", ["eval", "check", "stats", "bench", "html", "doctor", "record", "rerun", "explain"]
)
@pytest.mark.parametrize("name", PLACES[1:])
def test_an_impossible_file_is_told_before_the_work(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, name: str, command: str
) -> None:
    path = place(name, tmp_path)
    commands: dict[str, tuple[Any, ...]] = {
        "eval": ("eval", labels, labels, "--dataset", "kitti-step", "--json", path),
        "check": ("data", "check", labels, "--dataset", "kitti-step", "--json", path),
        "stats": ("data", "stats", labels, "--json", path),
        "bench": ("bench", tmp_path, "--json", path),
        "html": ("bench", tmp_path, "--html", path),
        "doctor": ("doctor", "--json", path),
        "record": (
            "track",
            frames,
            "--model",
            shipped_weights(),
            "--out",
            tmp_path / "out",
            "--record",
            path,
        ),
        "rerun": (
            "track",
            frames,
            "--model",
            shipped_weights(),
            "--out",
            tmp_path / "out",
            "--rerun",
            path,
        ),
        "explain": ("explain", tmp_path, "--track", 1, "--out", path.with_name(f"{path.name}.png")),
    }
    told(mapt(*commands[command]))
