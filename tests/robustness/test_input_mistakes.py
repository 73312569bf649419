"""Every command refuses what is no file of any use, and never waits for it."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapt.io.pretrained import shipped_weights
from tests.robustness.mistakes import Run, told

KINDS = (
    "a pipe",
    "a socket",
    "a device",
    "a folder",
    "nothing",
    "a link to nowhere",
    "an empty file",
    "noise",
)


def special(kind: str, path: Path) -> Path:
    """Something that is no file of any use, at a path."""
    makers: dict[str, Callable[[], object]] = {
        "a pipe": lambda: os.mkfifo(path),
        "a device": lambda: path.symlink_to("/dev/zero"),
        "a folder": path.mkdir,
        "nothing": lambda: None,
        "a link to nowhere": lambda: path.symlink_to(path.parent / "nowhere"),
        "an empty file": lambda: path.write_bytes(b""),
        "noise": lambda: path.write_bytes(np.random.default_rng(0).bytes(3000)),
    }
    if kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)  # a socket's path is short
            try:
                server.bind(path.name)
            finally:
                os.chdir(here)
    else:
        makers[kind]()
    return path


USES: dict[str, tuple[str, ...]] = {
    "model.safetensors": ("track", "FRAMES", "--model", "PATH", "--out", "OUT"),
    "model": ("demo", "--model", "PATH", "--out", "OUT"),
    "video.mp4": ("track", "PATH", "--model", "WEIGHTS", "--out", "OUT"),
    "w.safetensors": ("export", "PATH", "--out", "OUT"),
    "replay.record": ("track", "FRAMES", "--replay", "PATH", "--out", "OUT"),
    "bundle": ("bench", "PATH"),
    "old.json": ("bench", "x", "--compare", "PATH"),
    "config.toml": ("train", "PATH", "--out", "OUT"),
    "init.safetensors": ("train", "CONFIG", "--init", "PATH", "--out", "OUT"),
    "gt.txt": ("eval", "PATH", "LABELS", "--dataset", "kitti-mots"),
    "check.txt": ("data", "check", "PATH", "--dataset", "kitti-mots"),
    "stats.txt": ("data", "stats", "PATH"),
    "convert.txt": ("data", "convert", "PATH", "OUT"),
    "run": ("explain", "PATH", "--track", "1"),
    "key.pem": ("export", "WEIGHTS", "--out", "OUT", "--sign", "PATH"),
    "gate": ("export", "WEIGHTS", "--out", "OUT", "--precision", "fp16", "--gate", "PATH"),
    "verify.mp4": ("export", "WEIGHTS", "--out", "OUT", "--verify", "PATH"),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_file_is_refused_and_not_waited_for(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, config: Path, name: str, kind: str
) -> None:
    if (kind, name) == ("an empty file", "check.txt"):
        pytest.skip("an empty text is a sequence without objects")
    path = special(kind, tmp_path / name)
    names = {
        "PATH": path,
        "FRAMES": frames,
        "LABELS": labels,
        "CONFIG": config,
        "OUT": tmp_path / "out",
    }
    names["WEIGHTS"] = shipped_weights()
    told(mapt(*(names.get(argument, argument) for argument in USES[name])))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", KINDS[:3] + KINDS[5:])
@pytest.mark.parametrize(
    "what", ["a frame", "a label", "a prediction", "decisions.jsonl", "tracks.json"]
)
def test_what_lies_in_a_folder_and_is_no_file_is_refused(
    mapt: Run, tmp_path: Path, frames: Path, labels: Path, kind: str, what: str
) -> None:
    folder = tmp_path / "0000"
    folder.mkdir()
    row = {
        "track": 1,
        "index": 0,
        "frame": "0",
        "stage": "birth",
        "score": 1,
        "threshold": 0,
        "margin": 1,
        "runner_up": None,
    }
    (folder / "decisions.jsonl").write_text(json.dumps(row))
    name = what if "." in what else "000000.png"
    (folder / name).unlink(missing_ok=True)
    if what in ("a label", "a prediction"):
        (folder / "000001.png").write_bytes((labels / "0000" / "000001.png").read_bytes())
    special(kind, folder / name)
    commands: dict[str, tuple[Any, ...]] = {
        "a frame": ("track", folder, "--model", shipped_weights(), "--out", tmp_path / "out"),
        "a label": ("eval", tmp_path, labels, "--dataset", "kitti-step"),
        "a prediction": ("eval", labels, tmp_path, "--dataset", "kitti-step"),
        "decisions.jsonl": ("explain", folder, "--track", 1, "--images", frames),
        "tracks.json": ("explain", folder, "--track", 1, "--images", frames),
    }
    told(mapt(*commands[what]), name)
