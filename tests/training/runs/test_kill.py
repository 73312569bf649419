"""Killed without warning, a run continues to the same bits."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mapt.training.checkpoint import checkpoints
from mapt.training.config import TrainConfig
from mapt.training.loop import train
from mapt.training.signals import StopRequest

ITERATIONS = 8
CHANGES = (f"schedule.iterations={ITERATIONS}", "data.workers=1")
STALLING = """
import sys, time
from mapt import cli
from mapt.training import loop
step, last = loop.step, int(sys.argv.pop(1))
def stalling(state, *others):
    while state.iteration == last:
        time.sleep(1)
    return step(state, *others)
loop.step = stalling
cli.main()
"""


def test_kill_9_at_a_random_step_and_resume(
    tiny: Callable[..., TrainConfig], config_file: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    parts = tmp_path / "parts"
    train(tiny(*CHANGES), whole)
    last = random.randint(3, ITERATIONS - 3)
    signalled(
        config_file, parts, last, signal.SIGKILL, stall_after=last
    )  # or a run that is faster than us would end
    assert checkpoints(parts) and not (parts / f"checkpoint-{ITERATIONS:07d}.pt").exists()
    torch.manual_seed(77)
    train(tiny(*CHANGES), parts, resume=True)
    one, two = (torch.load(checkpoints(p)[-1], weights_only=True) for p in (whole, parts))
    for part in ("network", "average"):
        assert all(torch.equal(one[part][name], two[part][name]) for name in one[part])
    assert (whole / "weights.safetensors").read_bytes() == (
        parts / "weights.safetensors"
    ).read_bytes()
    assert _rows(parts) == _rows(whole) == ITERATIONS


def test_a_signal_to_every_process_leaves_a_checkpoint(config_file: Path, tmp_path: Path) -> None:
    """As torchrun and Slurm send it: to the loader's workers too."""
    endless = ("schedule.iterations=1000000", "checkpoint_every=1000000")
    code = signalled(config_file, tmp_path / "run", 1, signal.SIGTERM, *endless)
    assert code == 130 and len(checkpoints(tmp_path / "run")) == 1


def test_a_signal_that_comes_twice_is_one_but_for_a_later_ctrl_c(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under Slurm a process is told by srun and by torchrun."""
    with StopRequest() as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert stop.requested
        later = time.monotonic() + 10
        monkeypatch.setattr(time, "monotonic", lambda: later)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def signalled(
    config: Path,
    out: Path,
    after: int,
    number: signal.Signals,
    *changes: str,
    stall_after: int = -1,
) -> int:
    """Return the exit code of `mapt train` after a signal.

    All of its processes get the signal when `after` steps are reported.
    """
    settings = [part for change in (*CHANGES, *changes) for part in ("--set", change)]
    command = [
        sys.executable,
        "-c",
        STALLING,
        str(stall_after),
        "train",
        str(config),
        *settings,
        "--out",
        str(out),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            while _rows(out) < after and child.poll() is None:
                time.sleep(0.01)
        finally:
            os.killpg(child.pid, number)
        return child.wait()


def _rows(folder: Path) -> int:
    """Steps reported so far."""
    path = folder / "losses.csv"
    return max(0, path.read_text().count("\n") - 1) if path.is_file() else 0
