"""The script that trains `micro` within a given time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapt.model.weights import read_card, read_config

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "train_micro.sh"
# A street of 96x160 pixels, two sequences of each kind, no ImageNet weights: what is tested is the
# script.
SMALL = [
    "imagenet=false",
    "threads=1",
    "model.height=64",
    "model.width=96",
    "model.roi_samples=16",
    "data.crops=[[64,96]]",
    *(
        f"data.{name}.{key}"
        for name in ("synthetic", "synthetic_small")
        for key in ("height=96", "width=160")
    ),
    *(f"data.{name}.sequences=2" for name in ("synthetic", "synthetic_small")),
    *(
        f"data.{name}.heights=[64,96]"
        for name in ("synthetic", "synthetic_small", "synthetic_rare")
    ),
    "data.synthetic_rare.height=96",
    "data.synthetic_rare.width=160",
    "data.workers=0",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The script with this Python and this checkout."""
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"), [((), 1, "usage: "), (("soon", "x"), 2, "MINUTES is 'soon'")]
)
def test_a_wrong_call_is_one_line(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    on_progress = run(*arguments)
    assert (
        on_progress.returncode == code
        and words in on_progress.stderr
        and len(on_progress.stderr.splitlines()) == 1
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_minute_gives_weights_of_all_stages_and_a_second_call_has_nothing_left_to_do(
    tmp_path: Path,
) -> None:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    on_progress = run("1", str(tmp_path / "out"), *settings)
    assert on_progress.returncode == 0, on_progress.stderr[-2000:]
    weights = tmp_path / "out" / "micro.safetensors"
    assert read_config(weights).preset == "micro"
    assert read_card(weights)["data"].count("synthetic streets") >= 2  # of all stages
    for name in ("features", "images", "heads"):
        iterations = int((tmp_path / "out" / f"{name}.iterations").read_text())
        assert iterations >= 8 and (tmp_path / "out" / f"{name}.done").exists()
    before = weights.read_bytes()
    again = run("1", str(tmp_path / "out"), *settings)
    assert again.returncode == 0 and "iterations of about" not in again.stdout
    assert weights.read_bytes() == before
