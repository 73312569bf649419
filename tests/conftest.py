"""Fixtures that tests of several packages share.

They are the shipped network as a bundle, a short street, and the command line.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mapt.cli import main
from tests.tools.guard import *  # noqa: F403  (pytest finds hooks by their names here)
from tests.tools.once import exported


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def mapt(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `mapt` with arguments in this process, as the entry point does."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["mapt", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        if code == 128 + signal.SIGTERM:  # meant for the suite, and the command line took it
            pytest.exit("ended by SIGTERM", code)
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights, exported at their own size.

    The lowering is the default one, if the installed ONNX Runtime runs it.
    """
    from mapt.runtime.bundle.requirements import runnable_here

    return exported(tmp_path_factory, runnable_here())


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic sequences of six frames 192x624 in KITTI-STEP's layout, split val."""
    from mapt.synthetic import write_dataset

    folder = tmp_path_factory.mktemp("street") / "data"
    write_dataset(folder, 2, 6, (192, 624), seed=33)
    return folder
