"""Elastic training: torchrun starts all processes again when one dies, and they go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from mapt.io.pretrained import shipped_weights
from mapt.io.storage.folder import FolderStorage
from mapt.training.config import read_config
from mapt.training.loop import train
from tests.tools.processes import ROOT

SETTINGS = (
    "schedule.batch=2",
    "frozen_norm=true",
    "schedule.rate=0.0001",
    "schedule.iterations=8",
    "checkpoint_every=2",
    "keep=9",
    "data.workers=1",
)


def start(config: Path, out: Path) -> "subprocess.Popen[str]":
    settings = [part for change in SETTINGS for part in ("--set", change)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = ["train", str(config), *settings, "--init", str(shipped_weights()), "--resume"]
    return subprocess.Popen(
        [
            *(sys.executable, *torchrun, "--max-restarts", "1", "-m", "mapt.cli"),
            *(*arguments, "--out", str(out), "--checkpoints", str(out / "copies")),
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    content = torch.load(folder / "checkpoint-0000008.pt", weights_only=True)
    found: dict[str, torch.Tensor] = content["network"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_worker_is_started_again_and_the_weights_are_those_of_a_whole_run(
    config_file: Path, tmp_path: Path
) -> None:
    whole = start(config_file, tmp_path / "whole")
    _, errors = whole.communicate()
    assert whole.returncode == 0, errors[-2000:]
    child = start(config_file, tmp_path / "killed")
    first = tmp_path / "killed" / "checkpoint-0000004.pt"
    while not first.exists():
        assert child.poll() is None, child.communicate()[1][-2000:]
        time.sleep(0.05)
    workers = [
        process
        for process in psutil.Process(child.pid).children()
        if process.environ().get("RANK") == "1"
    ]
    workers[0].send_signal(signal.SIGKILL)
    _, errors = child.communicate()
    assert child.returncode == 0, errors[-2000:]
    log = (tmp_path / "killed" / "log.txt").read_text()
    assert "resumed at iteration" in log
    one = weights(tmp_path / "whole")
    other = weights(tmp_path / "killed")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tmp_path / "killed" / "copies" / "checkpoint-0000008.pt").is_file()


def test_a_run_goes_on_from_a_copy_of_its_checkpoint_elsewhere(
    config_file: Path, tmp_path: Path
) -> None:
    changes = [*SETTINGS, "schedule.batch=1", "keep=1", "data.workers=0"]
    copies = FolderStorage(tmp_path / "copies")
    short = read_config(config_file, [*changes, "schedule.iterations=2"])
    train(short, tmp_path / "one", init=shipped_weights(), mirror=copies)
    assert sorted(copies.sizes()) == ["checkpoint-0000002.pt", "weights.safetensors"]
    train(short, tmp_path / "two", resume=True, init=shipped_weights(), mirror=copies)
    assert "resumed at iteration 2 of 2" in (tmp_path / "two" / "log.txt").read_text()
