"""The C++ host and libmapt under the sanitizers: opening, stepping, saving and asking for health.

ONNX Runtime's own library is not compiled for them. So leaks are not looked for, and races only
where both sides are ours.
"""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mapt.io.image_files import write_image
from mapt.io.pretrained import shipped_bundle
from mapt.synthetic import render_sequence
from tests.tools.native_build import native_build, sanitized_build

OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1",
}
SIZE = "192x352"


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of a street, one of them a JPEG."""
    folder = tmp_path_factory.mktemp("frames") / "drive"
    folder.mkdir()
    for number, frame in enumerate(render_sequence(5, 0, 4, (240, 480))):
        suffix = "jpg" if number == 3 else "png"
        write_image(folder / f"{number:06d}.{suffix}", np.ascontiguousarray(frame.image))
    return folder


def run(host: Path, frames: Path, out: Path, *more: object) -> subprocess.CompletedProcess[str]:
    command = [host, shipped_bundle() / SIZE, frames, out, "--threads", "2", *more]
    return subprocess.run(
        [*map(str, command)], env=os.environ | OPTIONS, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_the_host_is_clean_under_the_sanitizers(
    sanitizers: str, frames: Path, tmp_path: Path
) -> None:
    plain = run(native_build() / "mapt_host", frames, tmp_path / "plain")
    assert plain.returncode == 0, plain.stderr
    host = sanitized_build(sanitizers) / "mapt_host"
    state = tmp_path / "state"
    whole = run(host, frames, tmp_path / "whole", "--state", state)
    assert whole.returncode == 0, whole.stderr[-4000:]
    assert whole.stdout == plain.stdout
    again = run(host, frames, tmp_path / "again", "--state", state)
    assert again.returncode == 0 and state.stat().st_size > 0, again.stderr[-4000:]
    shutil.copy(frames / "000000.png", state)
    refused = run(host, frames, tmp_path / "refused", "--state", state)
    assert refused.returncode == 2 and "cannot be restored" in refused.stderr, refused.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(host, empty, tmp_path / "none").returncode == 2
