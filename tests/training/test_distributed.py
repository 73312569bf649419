"""Two processes on CPUs compute what one computes with the whole batch.

They are started as torchrun starts them.
"""

import csv
import subprocess
from pathlib import Path

import pytest
import torch

from mapt.data.loader import load_batches
from mapt.io.pretrained import shipped_weights
from mapt.training.config import read_config
from mapt.training.loop import train
from mapt.training.sources import build_samples
from tests.tools.processes import torchrun

WEIGHTS = (
    shipped_weights()
)  # a trained network: its proposals do not change order over a rounding error
SETTINGS = (
    "schedule.batch=2",
    "frozen_norm=true",
    "schedule.rate=0.0001",
    "checkpoint_every=100",
    "data.workers=1",
)


def run(config: Path, out: Path, *changes: str) -> subprocess.CompletedProcess[str]:
    """`mapt train` in two processes."""
    settings = [part for change in (*SETTINGS, *changes) for part in ("--set", change)]
    arguments = ["train", str(config), *settings, "--out", str(out), "--init", str(WEIGHTS)]
    return torchrun(arguments, OMP_WAIT_POLICY="PASSIVE", GLOO_SOCKET_IFNAME="lo")


def compare(config: Path, folder: Path, iterations: int, *changes: str) -> None:
    """Losses of every step and the final weights of one and of two processes, to 1e-5."""
    changes = (*changes, f"schedule.iterations={iterations}")
    train(read_config(config, [*SETTINGS, *changes]), folder / "1", init=WEIGHTS)
    on_progress = run(config, folder / "2", *changes)
    assert on_progress.returncode == 0, on_progress.stderr[-2000:]
    assert on_progress.stdout.count("weights: ") == 1
    rows = [
        list(csv.DictReader((folder / n / "losses.csv").read_text().splitlines()))
        for n in ("1", "2")
    ]
    assert len(rows[0]) == iterations
    for one, two in zip(*rows, strict=True):
        for name in set(one) - {"seconds", "waited"}:
            # A gradient jumps where an activation or a hard pixel's rank changes over a rounding
            # error.
            close = pytest.approx(
                float(one[name]), rel=1e-3 if name == "gradient_norm" else 1e-5, abs=1e-5
            )
            assert float(two[name]) == close, (one["iteration"], name)
    path = f"checkpoint-{iterations:07d}.pt"
    first, second = (
        torch.load(folder / n / path, weights_only=True)["network"] for n in ("1", "2")
    )
    assert all(
        torch.allclose(first[n].double(), second[n].double(), rtol=1e-5, atol=1e-5) for n in first
    )
    # It did move: a start that nobody left would be equal too.
    start = torch.load(folder / "1" / path, weights_only=True)["average"]
    assert any(not torch.allclose(first[n], start[n], rtol=1e-5, atol=1e-5) for n in first)


def test_two_processes_with_half_the_batch_are_one_with_the_whole(
    config_file: Path, tmp_path: Path
) -> None:
    compare(
        config_file,
        tmp_path,
        3,
        "model.semantic_balance=0.5",
        f"evaluation.root={_with_val(tmp_path)}",
    )
    scores = [(tmp_path / n / "evaluation.csv").read_text() for n in ("1", "2")]
    assert scores[0].splitlines()[0].startswith("iteration,PAT,PQ") and scores[0].count("\n") == 2
    assert (tmp_path / "2" / "best.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_steps(config_file: Path, tmp_path: Path) -> None:
    """Twenty steps are the same on two processes.

    Views are so small that every anchor is proposed and sampled, because over so many steps a
    rounding error would change the rank of one.
    """
    all_of_them = (
        "data.crops=[[32,64]]",
        "data.step.heights=[32,50]",
        "model.rpn_nms_iou=1.0",
        "model.rpn_top_k=768",  # 8 x 16 cells of 4 pixels, 6 anchors each
        "model.proposals=1020",  # and those of the three coarser levels
        "model.roi_samples=3840",
    )
    compare(config_file, tmp_path, 20, *all_of_them)


def test_a_mistake_on_one_process_ends_all(
    config_file: Path, step_folder: Path, tmp_path: Path
) -> None:
    for path in sorted((step_folder / "training").rglob("*.png"))[:2]:
        path.write_bytes(path.read_bytes()[:-100])
    on_progress = run(config_file, tmp_path / "run", "schedule.iterations=10")
    assert on_progress.returncode != 0 and ".png: is truncated" in on_progress.stderr


def test_what_another_process_skipped_is_told_by_the_first(
    config_file: Path, step_folder: Path, tmp_path: Path
) -> None:
    broken = sorted((step_folder / "training").rglob("*.png"))[-1]
    broken.write_bytes(broken.read_bytes()[:-100])
    rule = build_samples(read_config(config_file, [*SETTINGS, "data.skip_bad=true"]), tmp_path)
    others = [batch.skipped for batch in load_batches(rule, 2, 0, 2, 0, rank=1, world=2)]
    own = [batch.skipped for batch in load_batches(rule, 2, 0, 2, 0, rank=0, world=2)]
    assert any(others) and not any(own), "the second process alone must meet the bad file"
    on_progress = run(config_file, tmp_path / "run", "schedule.iterations=2", "data.skip_bad=true")
    assert on_progress.returncode == 0, on_progress.stderr[-2000:]
    assert f"skipped (1): {broken}" in (tmp_path / "run" / "log.txt").read_text()


def _with_val(folder: Path) -> Path:
    """The training sequence twice as a validation set, a sequence for each process."""
    root = folder / "step"
    for name in ("0000", "0001"):
        (root / "panoptic_maps" / "val").mkdir(exist_ok=True)
        (root / "panoptic_maps" / "val" / name).symlink_to(
            root / "panoptic_maps" / "train" / "0000"
        )
    (root / "training" / "image_02" / "0001").symlink_to(root / "training" / "image_02" / "0000")
    return root
