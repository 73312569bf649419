"""Programs that PyInstaller freezes run bundles with MAPT's own operators."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mapt.errors import InputError
from mapt.io.toml import loads
from mapt.runtime.backends import operators
from tests.runtime.backends.test_operators import needs_library
from tests.tools.once import exported

ROOT = Path(__file__).parents[2]
HOST = """
import sys
import numpy as np
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.operators import find_library
tracker = PanopticTracker.load(sys.argv[1], threads=1, device="cpu")
image = np.random.default_rng(0).integers(0, 255, (192, 640, 3), np.uint8)
print(find_library()[0])
print(tracker.step(image, 0).semantic.shape)
"""


def entry_point() -> EntryPoint:
    """What PyInstaller asks the installed package for."""
    project = loads((ROOT / "pyproject.toml").read_text())["project"]
    return EntryPoint(
        "hook-dirs", project["entry-points"]["pyinstaller40"]["hook-dirs"], "pyinstaller40"
    )


def test_the_entry_point_names_a_folder_with_a_hook_for_every_package_with_libraries() -> None:
    (folder,) = entry_point().load()()
    hooks = {path.name for path in Path(folder).glob("hook-*.py")}
    assert hooks == {"hook-mapt.py", "hook-mapt.runtime.py", "hook-mapt.ops.py"}


def test_a_frozen_program_without_them_says_how_they_are_collected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(operators, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(
        InputError, match="not in this frozen program; freeze it where `mapt doctor` finds them"
    ):
        operators.find_library()


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights with MAPT's own operators."""
    return exported(tmp_path_factory, "custom")


def describe(folder: Path) -> None:
    """Write the metadata that an installation of this checkout has.

    The environment may hold an older installation.
    """
    folder.mkdir()
    point = entry_point()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: mapt-checkout\nVersion: 0\n")
    (folder / "entry_points.txt").write_text(f"[{point.group}]\n{point.name} = {point.value}\n")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_library
@pytest.mark.skipif(importlib.util.find_spec("PyInstaller") is None, reason="no PyInstaller")
@pytest.mark.parametrize("kind", ["--onedir", "--onefile"])
def test_a_frozen_program_runs_a_custom_bundle(kind: str, custom: Path, tmp_path: Path) -> None:
    (tmp_path / "host.py").write_text(HOST)
    describe(tmp_path / "mapt_checkout-0.dist-info")
    before = os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path), before))}
    freeze = [sys.executable, "-m", "PyInstaller", kind, "--log-level", "ERROR", "host.py"]
    freeze += [
        "--exclude-module",
        "torch",
    ]  # whatever else is installed here, the runtime needs none of it
    ran = subprocess.run(
        freeze, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    program = tmp_path / "dist" / ("host/host" if kind == "--onedir" else "host")
    del environment["PYTHONPATH"]
    ran = subprocess.run(
        [program, custom],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    library, shape = ran.stdout.splitlines()
    assert not library.startswith(str(ROOT)) and shape == "(192, 640)"
