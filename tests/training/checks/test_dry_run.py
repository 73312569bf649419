"""`mapt train --dry-run` builds everything, takes two steps, and names what is missing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.training import loop
from mapt.training.checks import dry_run as module
from mapt.training.checks.dry_run import dry_run
from mapt.training.config import TrainConfig, find_config, read_config
from mapt.training.sources import synthetic_sets
from tests.conftest import Ran

Tiny = Callable[..., TrainConfig]


def test_nothing_missing(mapt: Callable[..., Ran], config_file: Path, tmp_path: Path) -> None:
    ran = mapt("train", config_file, "--dry-run", "--out", tmp_path / "run")
    assert ran.code == 0 and "step 2:" in ran.out and "data.step: 3 pairs" in ran.out
    assert ran.out.rstrip().endswith("dry run: nothing is missing")
    assert not (tmp_path / "run").exists()


def test_a_tree_of_empty_folders(
    mapt: Callable[..., Ran], config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "join", None)  # nothing may be built
    tree = tmp_path / "tree"
    (tree / "panoptic_maps" / "train" / "0000").mkdir(parents=True)
    (tree / "training" / "image_02" / "0000").mkdir(parents=True)
    ran = mapt(
        "train",
        config_file,
        "--dry-run",
        "--set",
        f"data.step.root={tree}",
        "--set",
        f"evaluation.root={tree}",
        "--set",
        "data.cityscapes.root=nowhere",
        "--set",
        "data.synthetic.sequences=1",
        "--set",
        f"data.synthetic.root={tree}",
        "--init",
        "no.safetensors",
        "--out",
        config_file / "run",
    )
    assert ran.code == 2 and "nothing was built" in ran.out
    missing = [line for line in ran.out.splitlines() if line.startswith("missing: ")]
    words = (
        "is a file; choose another place",
        "no such weight file",
        "panoptic_maps/val",
        "panoptic_maps/train",
        "gtFine",
        "holds no rendered sequences",
    )
    assert len(missing) == len(words)
    for line, word in zip(missing, words, strict=True):
        assert word in line
    assert "6 things are missing" in ran.err


def test_training_looks_at_every_path_before_it_begins(
    mapt: Callable[..., Ran], config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "join", None)  # no process group, no network
    out = tmp_path / "run"
    change = ("--set", "data.camvid.root=nowhere")
    ran = mapt("train", config_file, "--out", out, *change)
    assert ran.code == 2 and "nowhere" in ran.err and ran.err.count("\n") == 1
    assert not out.exists()


def test_a_corrupt_first_image_is_named(tiny: Tiny, step_folder: Path, tmp_path: Path) -> None:
    for path in (step_folder / "training").rglob("*.png"):
        path.write_bytes(b"broken")
    found = dry_run(
        tiny("data.synthetic.sequences=1", "data.synthetic.height=96", "data.synthetic.width=224"),
        tmp_path / "run",
    )
    assert any(".png: is truncated" in line for line in found.missing)
    assert any(line.startswith("data.synthetic: 2 pairs") for line in found.lines)


def test_a_dataset_without_a_share_is_fine_beside_another(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = ("data.synthetic.sequences=1", "data.synthetic.height=96", "data.synthetic.width=224")
    assert not dry_run(tiny(*street, "data.synthetic.weight=0"), tmp_path).missing
    monkeypatch.setattr(module, "STAND_IN", (2, 96, 224))
    found = dry_run(tiny("data.step.weight=0"), tmp_path)
    assert found.missing == [
        "every dataset has weight 0; set data.<dataset>.weight above 0 for one of them"
    ]


def test_heads_alone_need_weights(tiny: Tiny, tmp_path: Path) -> None:
    found = dry_run(tiny('heads=["motion"]', "shared=false"), tmp_path)
    assert [line for line in found.missing if "--init" in line]


@pytest.mark.parametrize(
    "name",
    [
        "cityscapes-pretrain",
        "kitti-step",
        "motchallenge-step",
        "nano-street",
        "nano-heads",
        "micro-street",
        "micro-heads",
    ],
)
def test_shipped_configurations_are_read(name: str) -> None:
    config = read_config(find_config(name), [])
    assert config.schedule.warmup == 200
    if name.startswith("micro"):
        assert config.model.preset == "micro" and (config.model.height, config.model.width) == (
            384,
            1248,
        )
        assert not [
            part for _, part in synthetic_sets(config.data) if part.seed not in (1000, 2000, 3000)
        ]
    elif not name.startswith("nano"):
        assert (
            config.model.preset == "base"
            and config.schedule.optimizer == "sgd"
            and config.schedule.rate == 0.01
        )
    assert (config.model.classes == 7) == (name == "motchallenge-step")
