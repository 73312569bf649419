"""What ONNX Runtime leaves on the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
import numpy as np
from mapt.runtime import PanopticTracker
tracker = PanopticTracker.load(sys.argv[1], threads=1, core=sys.argv[2])
# Before the first association needs it.
assert tracker.core == "native" or "scipy.optimize" in sys.modules
tracker.step(np.zeros((64, 96, 3), np.uint8), 0)
"""


@pytest.mark.parametrize("core", ["python", "auto"])
def test_nothing_is_kept_of_the_user(bundle: Path, tmp_path: Path, core: str) -> None:
    """Without ORT_DISABLE_TELEMETRY it writes a device's id and a database of reports."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    places = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", CODE, str(bundle), core]
    subprocess.run(command, env={**environment, **places}, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
