"""A randomised attack on everything that reads foreign bytes.

Each kind of input runs in a child process, so that a crash is noticed.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.robustness.attack import KINDS

ROOT = Path(__file__).parents[2]
COUNT = 300  # inputs of a kind
SEED = 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_random_inputs_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.robustness.attack",
        kind,
        str(SEED),
        str(COUNT),
        str(tmp_path),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"exit code {ran.returncode}\n{ran.stdout}{ran.stderr[-2000:]}"
    assert "Traceback" not in ran.stderr


def test_there_are_enough_inputs() -> None:
    assert COUNT * len(KINDS) >= 2000
