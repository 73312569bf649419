"""`make test-arm` refuses in one line to run where it cannot.

Its comparison finds what differs.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.io.image_files import write_image
from mapt.labels.step_png import encode_step
from mapt.runtime.frame import TRACK_DTYPE

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "env", "dirname", "realpath", "uname")
NEEDED = ("qemu-aarch64-static", "aarch64-linux-gnu-g++", "apt-get", "dpkg", "unshare")
linux = pytest.mark.skipif(sys.platform != "linux", reason="qemu-user is for Linux")


def path_with(folder: Path, *fakes: str, **programs: str) -> Path:
    """A folder of programs: the shell's own, and some that do nothing or what they are given."""
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or "/none")
    for name in fakes:
        programs.setdefault(name, "exit 0")
    for name, body in programs.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


def refusal(path: Path) -> str:
    """What `.ci/arm` says with that path; it may say one line, and do nothing."""
    environment = {**os.environ, "PATH": str(path)}
    command = [str(ROOT / ".ci/arm"), sys.executable]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and not ran.stdout and ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr.strip()


@linux
@pytest.mark.parametrize("missing", NEEDED)
def test_a_missing_tool_is_one_line_with_its_package(tmp_path: Path, missing: str) -> None:
    uname = "echo Linux x86_64"
    said = refusal(path_with(tmp_path, *(name for name in NEEDED if name != missing), uname=uname))
    assert said.startswith(f"test-arm: needs {missing}; on Debian: apt-get install ")


@linux
def test_another_machine_is_refused(tmp_path: Path) -> None:
    assert "this is Linux aarch64; use make test" in refusal(
        path_with(tmp_path, *NEEDED, uname="echo Linux aarch64")
    )


@linux
def test_no_namespace_is_one_line(tmp_path: Path) -> None:
    said = refusal(path_with(tmp_path, *NEEDED, uname="echo Linux x86_64", unshare="exit 1"))
    assert said.startswith("test-arm: needs a user namespace")


@pytest.fixture(scope="module")
def frames() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "arm_frames", Path(__file__).parent / "frames.py"
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def result(
    folder: Path, name: str, count: int = 10, tracks: int = 3
) -> tuple[Path, dict[str, NDArray[np.generic]]]:
    """What `frames.py track` writes."""
    instance = np.zeros((count, 4, 6), np.int32)
    instance[:, 0, :tracks] = np.arange(1, tracks + 1)
    records = np.zeros(tracks, TRACK_DTYPE)
    records["id"] = np.arange(1, tracks + 1)
    arrays: dict[str, NDArray[np.generic]] = {
        "semantic": np.zeros((count, 4, 6), np.uint8),
        "instance": instance,
    }
    arrays |= {f"tracks_{i}": records.copy() for i in range(count)}
    return folder / f"{name}.npz", arrays


def test_the_same_labels_and_ids_pass(frames: ModuleType, tmp_path: Path) -> None:
    path, arrays = result(tmp_path, "a")
    np.savez(path, **arrays)  # type: ignore[arg-type]
    assert frames.compare(str(path), str(path)) == 0


@pytest.mark.parametrize("other", ["pixel", "id", "frame"])
def test_a_difference_fails(
    frames: ModuleType, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, arrays = result(tmp_path, "a")
    second, changed = result(tmp_path, "b")
    if other == "pixel":
        changed["semantic"][3, 1, 1] = 1
    elif other == "id":
        changed["tracks_9"]["id"][0] = 8  # type: ignore[call-overload]
    else:
        del changed["tracks_9"]
    np.savez(path, **arrays)  # type: ignore[arg-type]
    np.savez(second, **changed)  # type: ignore[arg-type]
    assert frames.compare(str(path), str(second)) == 1
    assert {"pixel": "1 of 240", "id": "frame 9", "frame": "not in both"}[
        other
    ] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "tracks", "fault"), [(9, 3, "9 frames, not 10"), (10, 1, "fewer than 2 tracks")]
)
def test_too_little_to_compare_fails(
    frames: ModuleType,
    tmp_path: Path,
    count: int,
    tracks: int,
    fault: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, arrays = result(tmp_path, "a", count, tracks)
    np.savez(path, **arrays)  # type: ignore[arg-type]
    assert frames.compare(str(path), str(path)) == 1 and fault in capsys.readouterr().err


@pytest.mark.parametrize("other", ["none", "class", "id", "frame"])
def test_folders_of_labels_are_compared(
    frames: ModuleType, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        for number in range(10):
            semantic = np.zeros((4, 6), np.uint8)
            instance = np.zeros((4, 6), np.int32)
            instance[0, :3] = 1, 2, 3
            if folder == "b" and number == 4:
                semantic[1, 1] = other == "class"
                instance[0, 2] += other == "id"
            if folder == "b" and number == 9 and other == "frame":
                continue
            (tmp_path / folder).mkdir(exist_ok=True)
            write_image(tmp_path / folder / f"{number:06d}.png", encode_step(semantic, instance))
    said = {"class": "1 pixels of semantic", "id": "1 pixels of instance", "frame": "other frames"}
    assert frames.labels(str(tmp_path / "a"), str(tmp_path / "b")) == (other != "none")
    assert said.get(other, "") in capsys.readouterr().err


def test_the_substitute_processor_is_one_of_aarch64() -> None:
    said = (Path(__file__).parent / "cpuinfo").read_text()
    assert "asimddp" in said and said.count("processor") == 2 and platform.machine() not in said
