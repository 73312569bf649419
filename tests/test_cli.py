import errno
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from mapt.cli import app
from mapt.commands import COMMANDS

Run = Callable[..., Any]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(mapt: Run, name: str) -> None:
    ran = mapt(name, "--help")
    assert ran.code == 0 and "Usage" in ran.out


def test_the_promised_commands_are_there() -> None:
    assert set(COMMANDS) >= {"synth", "train", "track", "eval", "export", "bench", "demo", "doctor", "explain", "data"}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['mapt', '--help']\nfrom mapt.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    )
    code += "print([m for m in ('torch', 'onnx', 'onnxruntime', 'scipy', 'cv2') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("[]")


@pytest.mark.parametrize(("module", "extra"), [("torch", "train"), ("onnx", "export")])
def test_a_missing_package_names_its_extra(mapt: Run, monkeypatch: pytest.MonkeyPatch, module: str, extra: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named '{module}'", name=f"{module}.nn")

    monkeypatch.setattr(typer.Typer, "__call__", fail)
    ran = mapt("export")
    assert ran.code == 2 and f"mapt[{extra}]" in ran.err and ran.err.count("\n") == 1
    assert app.registered_commands


def test_failures_and_interrupts_have_their_own_codes(mapt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, code, words in (
        (ValueError("odd"), 1, "ValueError: odd (--debug"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("can't start new thread"), 1, "threads and processes are used up; end other programs"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), 1, "or raise the limit: ulimit -u"),
    ):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(typer.Typer, "__call__", fail)
        ran = mapt("track")
        assert ran.code == code and words in ran.err and ran.err.count("\n") == 1


def test_a_missing_argument_is_a_mistake(mapt: Run) -> None:
    """Beside click 8.3, typer before 0.18 hands None on instead."""
    ran = mapt("track")
    assert ran.code == 2 and "Missing" in ran.err


def test_an_unknown_option_is_a_mistake(mapt: Run) -> None:
    ran = mapt("eval", "--fast")
    assert ran.code == 2 and "Traceback" not in ran.err
