"""libmapt for aarch64 gives the labels and ids of libmapt for x86-64, under emulation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFUSED = 2  # a tool, a network or a right is missing


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(sys.platform != "linux", reason="qemu-user is for Linux")
def test_ten_frames_are_labelled_alike_on_aarch64() -> None:
    command = [str(ROOT / ".ci" / "arm-native"), sys.executable]
    ran = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    if ran.returncode == REFUSED:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    for ops in ("standard", "custom"):
        assert f"{ops}-x86_64/step/0000: 10 frames, the same labels and ids" in ran.stdout
