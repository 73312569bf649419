"""Killed without warning, a run continues to the same bits."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from mapt.training.checkpoint import checkpoints
from mapt.training.config import TrainConfig
from mapt.training.loop import train

ITERATIONS = 6
CHANGES = (f"schedule.iterations={ITERATIONS}", "data.workers=1")


def test_kill_9_at_a_random_step_and_resume(
    tiny: Callable[..., TrainConfig], config_file: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tiny(*CHANGES), whole)
    settings = [part for change in CHANGES for part in ("--set", change)]
    command = [sys.executable, "-m", "mapt.cli", "train", str(config_file), *settings, "--out", str(parts)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            after = random.randint(2, ITERATIONS - 2)
            deadline = time.monotonic() + 120
            while _rows(parts) < after and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            os.killpg(child.pid, signal.SIGKILL)
    assert checkpoints(parts) and not (parts / f"checkpoint-{ITERATIONS:07d}.pt").exists()
    torch.manual_seed(77)
    train(tiny(*CHANGES), parts, resume=True)
    one, two = (torch.load(checkpoints(p)[-1], weights_only=True) for p in (whole, parts))
    for part in ("network", "average"):
        assert all(torch.equal(one[part][name], two[part][name]) for name in one[part])
    assert (whole / "weights.safetensors").read_bytes() == (parts / "weights.safetensors").read_bytes()
    assert _rows(parts) == _rows(whole) == ITERATIONS


def _rows(folder: Path) -> int:
    """Steps reported so far."""
    path = folder / "losses.csv"
    return max(0, path.read_text().count("\n") - 1) if path.is_file() else 0
