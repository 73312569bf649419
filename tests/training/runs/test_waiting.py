"""Waiting for data ends: where shared memory is too small, and at a signal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mapt.data.loader import load_batches
from mapt.errors import InputError
from mapt.training.config import TrainConfig
from mapt.training.sources import build_samples

STUCK = """
import sys, time
from mapt import cli
from mapt.data import loader

real = loader.SampleDataset.__getitem__
def stuck(self, index):
    if index >= 1:
        open(sys.argv[-1] + ".waiting", "w").close()
        time.sleep(100000)
    return real(self, index)
loader.SampleDataset.__getitem__ = stuck
cli.main()
"""
SMALL = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"'


def run_of(config: Path, out: Path, *changes: str) -> list[str]:
    """The arguments of a run with one worker."""
    settings = [part for change in ("data.workers=1", *changes) for part in ("--set", change)]
    return ["train", str(config), *settings, "--out", str(out)]


def test_shared_memory_that_is_too_small_is_one_line_with_the_remedy(
    config_file: Path, tmp_path: Path
) -> None:
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-m", "true"], check=False).returncode
    ):
        pytest.skip("needs unshare and its rights")
    run = [sys.executable, "-m", "mapt.cli", *run_of(config_file, tmp_path / "run")]
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", SMALL, "sh", *run],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1, ran.stderr
    assert (
        ran.stderr.startswith("mapt: /dev/shm: 0 MiB free")
        and "--shm-size=1g, or set data.workers=0" in ran.stderr
    )


def test_a_batch_that_cannot_be_shared_is_an_input_error(
    tiny: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object) -> None:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr("torch.Tensor.share_memory_", full)
    samples = build_samples(tiny(), tmp_path)
    assert next(load_batches(samples, 1, 0, 1, 0))  # the run itself needs none
    with pytest.raises(InputError, match=r"/dev/shm: .*No space left on device .*--shm-size=1g"):
        next(load_batches(samples, 1, 0, 1, 1))


def test_no_room_for_the_loaders_queues_is_an_input_error(
    tiny: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.utils.data.DataLoader.__iter__", full)
    with pytest.raises(InputError, match="--shm-size=1g"):
        next(load_batches(build_samples(tiny(), tmp_path), 1, 0, 1, 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_that_waits_for_data(
    config_file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", STUCK, *run_of(config_file, out)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            log = out / "log.txt"
            while child.poll() is None and not (
                log.is_file() and "iteration 1 rate" in log.read_text()
            ):
                time.sleep(0.02)
            child.send_signal(number)
            _, said = child.communicate()
        finally:
            child.kill()
    assert (child.returncode, said) == (130, "mapt: interrupted\n")
    assert (out / "checkpoint-0000001.pt").is_file() and os.listdir(out).count(
        "checkpoint-0000001.pt"
    ) == 1
