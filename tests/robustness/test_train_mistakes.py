"""`mapt train` refuses configurations and changes that are none."""

from pathlib import Path

import pytest

from tests.robustness.mistakes import Run, told

TOMLS = (
    "model = 5",
    "model = []",
    "[model]\npreset = 5",
    '[model]\npreset = "mega"',
    "data = 1",
    "[data]\nsynthetic = 3",
    "[data.synthetic]\nsequences = -1",
    '[data.synthetic]\nsequences = "many"',
    "[data.synthetic]\nfps = nan",
    "[data.synthetic]\nfps = inf",
    "[data.synthetic]\nheights = [5]",
    '[data.synthetic]\nheights = "ab"',
    "[data.synthetic]\nheight = 1000000000",
    "[schedule]\niterations = 0",
    "[schedule]\niterations = 1.5",
    "[schedule]\niterations = 99999999999",
    "[schedule]\nrate = nan",
    "[schedule]\nrate = -1",
    "[schedule]\nmilestones = 3",
    "[schedule]\nmilestones = [nan]",
    "heads = 5",
    'heads = ["odd"]',
    "heads = []",
    "seed = -1",
    "seed = 1.5",
    "[data]\nworkers = -1",
    "[data]\nworkers = 1000000",
    "[data]\ncrops = [[1, 2]]",
    "[data]\ncrops = 7",
    "odd = 1",
    "[odd]\nx = 1",
    "a = " + "[" * 5000,
    "seed = " + "9" * 5000,
    "seed = 0x",
    "\0",
    "[model",
    'device = "tpu"',
    "[evaluation]\nsequences = 5",
    "[evaluation]\nfps = 0",
    '[data.step]\nroot = "nowhere"',
)


@pytest.mark.parametrize("text", TOMLS, ids=lambda t: t.encode("unicode_escape").decode()[:50])
def test_configurations_that_are_none(mapt: Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    base = (
        "imagenet = false\n"
        if "model" in text
        else 'imagenet = false\nmodel = {preset = "nano", height = 64, width = 128}\n'
    )
    path.write_text(base + text)
    told(mapt("train", path, "--out", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


CHANGES = (
    "x",
    "=",
    "=5",
    ".=5",
    "seed",
    "seed.x=1",
    "model=5",
    "model.preset=",
    "odd=1",
    "data.workers=a",
    "seed=[",
    "a..b=1",
)


@pytest.mark.parametrize("change", CHANGES)
def test_changes_that_are_none(mapt: Run, tmp_path: Path, config: Path, change: str) -> None:
    told(mapt("train", config, "--set", change, "--out", tmp_path / "out"))
