import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from mapt import __version__
from mapt.cli import app
from mapt.commands import COMMANDS
from mapt.errors import suggest
from mapt.runtime.errors import OutputError

Run = Callable[..., Any]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(mapt: Run, name: str) -> None:
    ran = mapt(name, "--help")
    assert ran.code == 0 and "Usage" in ran.out


def test_the_version_is_told(mapt: Run) -> None:
    ran = mapt("--version")
    assert ran.code == 0 and ran.out == f"mapt {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("data",), ("data", "check"), ("track",)])
def test_help_has_a_short_name_everywhere(mapt: Run, arguments: tuple[str, ...]) -> None:
    ran = mapt(*arguments, "-h")
    assert ran.code == 0 and "Usage" in ran.out and "--debug" in ran.out


def test_the_package_runs_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mapt", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"mapt {__version__}\n"


def test_debug_shows_where_wherever_it_stands(mapt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("--debug", "synth", "x"), ("synth", "x", "--debug")):

        def fail(*_: object, **__: object) -> None:
            raise ValueError("odd")

        monkeypatch.setattr(typer.Typer, "__call__", fail)
        with pytest.raises(ValueError, match="odd"):
            mapt(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trak",), "'track'"),
        (("data", "chek"), "'check'"),
        (("track", "x", "--modle", "y"), "did you mean --model"),
        (("eval", "a", "b", "--dataset", "kitti_stp"), "did you mean 'kitti-step'?"),
        (("eval", "a", "b", "--dataset", "kitti-step", "--variant", "nuscene"), "'nuscenes'?"),
        (("bench", "x", "--suite", "scal"), "did you mean 'scale'?"),
        (("export", "x", "--out", "y", "--ops", "Custom"), "did you mean 'custom'?"),
        (("train", "nano-stret"), "did you mean 'nano-street'?"),
        (("train", "nano-street", "--set", "model.preset=nno"), "did you mean 'nano'?"),
        (("train", "nano-street", "--set", "shedule.batch=1"), "did you mean 'schedule'?"),
    ],
    ids=lambda a: " ".join(a)[:40] if isinstance(a, tuple) else "",
)
def test_a_mistyped_name_is_answered_with_the_nearest(
    mapt: Run, arguments: tuple[str, ...], words: str
) -> None:
    ran = mapt(*arguments)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1


def test_a_name_unlike_all_others_is_answered_with_all_of_them() -> None:
    assert suggest("zzz", ("ort", "tensorrt")) == "choose one of ort, tensorrt"
    assert suggest("gpu", ("cpu", "cuda")) == "choose one of cpu, cuda"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mapt tr", {"track", "train"}),
        ("mapt train kitti", {"kitti-step"}),
        ("mapt eval --dataset kitti", {"kitti-step", "kitti-mots"}),
        ("mapt bench --suite ", {"run", "ablation", "parity", "scale", "deadline", "all"}),
    ],
)
def test_a_shell_completes_names(line: str, offered: set[str]) -> None:
    asked = {"_MAPT_COMPLETE": "complete_bash", "COMP_WORDS": line}
    asked["COMP_CWORD"] = str(len(line.split(" ")) - 1)
    ran = subprocess.run(
        [sys.executable, "-m", "mapt"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **asked},
    )
    assert set(ran.stdout.split()) == offered, ran.stderr


def test_a_system_without_file_locks_is_refused_at_once_in_one_line() -> None:
    """As on Windows, which has no module `fcntl`."""
    code = "import sys; sys.modules['fcntl'] = None\nfrom mapt.cli import main; main()"
    for arguments, status, words in (
        (["--version"], 0, "mapt "),
        (["synth", "x"], 2, "mapt: this system is not supported"),
        (["track", "clip.mp4", "--out", "x"], 2, "mapt: this system is not supported"),
    ):
        ran = subprocess.run(
            [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True
        )
        told = ran.stdout + ran.stderr
        assert ran.returncode == status and told.startswith(words) and told.count("\n") == 1, told


def test_the_promised_commands_are_there() -> None:
    assert set(COMMANDS) >= {
        "synth",
        "train",
        "track",
        "eval",
        "export",
        "bench",
        "demo",
        "doctor",
        "explain",
        "data",
    }


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['mapt', '--help']\nfrom mapt.cli import main\ntry: main()\nexcept"
        " SystemExit: pass\n"
    )
    code += (
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'scipy', 'cv2') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("[]")


@pytest.mark.parametrize(("module", "extra"), [("torch", "train"), ("onnx", "export")])
def test_a_missing_package_names_its_extra(
    mapt: Run, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named '{module}'", name=f"{module}.nn")

    monkeypatch.setattr(typer.Typer, "__call__", fail)
    ran = mapt("export")
    assert ran.code == 2 and f"mapt[{extra}]" in ran.err and ran.err.count("\n") == 1
    assert app.registered_commands


def test_failures_and_interrupts_have_their_own_codes(
    mapt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, code, words in (
        (ValueError("odd"), 1, "ValueError: odd (--debug"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            RuntimeError("can't start new thread"),
            1,
            "threads and processes are used up; end other programs",
        ),
        (
            BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)),
            1,
            "or raise the limit: ulimit -u",
        ),
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


MISTAKES = [
    ("eval", "--fast"),
    ("track",),
    ("nonsense",),
    ("synth", "x", "--frames", "many"),
    ("synth", "x", "--frames", "0"),
    ("doctor", "--json"),
    ("data", "nonsense"),
    ("data", "check", "a", "b", "c"),
    ("synth", "x", "--seed", "1.5"),
    ("--fast",),
    ("explain", "run", "--track", "9" * 5000),
    ("synth", "x", "--fps", "fast"),
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=lambda a: " ".join(a)[:30])
def test_wrong_arguments_are_one_line(mapt: Run, arguments: tuple[str, ...]) -> None:
    ran = mapt(*arguments)
    assert ran.code == 2 and ran.out == "" and ran.err.count("\n") == 1
    assert re.fullmatch(r"mapt: [^\x00-\x1f]*; see mapt[a-z ]* --help\n", ran.err)


def test_no_argument_gets_help(mapt: Run) -> None:
    for arguments in ((), ("data",)):
        ran = mapt(*arguments)
        assert ran.code == 2 and "Usage" in ran.out + ran.err and "mapt: " not in ran.err


def test_help_is_there_without_docstrings() -> None:
    for arguments, words in (
        ([], "panoptic tracking"),
        (["train"], "Train a network"),
        (["eval"], "Under torchrun the sequences"),
        (["data"], "Check datasets, convert them"),
        (["data", "stats"], "Sizes, speeds, lifetimes"),
    ):
        command = [sys.executable, "-OO", "-m", "mapt.cli", *arguments, "--help"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert words in " ".join(ran.stdout.split())


def test_benchmarks_explain_themselves_without_docstrings() -> None:
    command = [sys.executable, "-OO", "-m", "mapt.bench.report.readme", "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "documentation's tables from results" in ran.stdout


def test_memory_that_is_used_up_and_bad_outputs_are_told_in_words(
    mapt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, words in (
        (MemoryError("Unable to allocate 3 TiB"), "the memory is used up; end other programs"),
        (
            OutputError("semantic: s holds NaN\n; frame dropped"),
            "semantic: s holds NaN ; frame dropped; the model gave",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found"),
            "no temporary folder can be written",
        ),
    ):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(typer.Typer, "__call__", fail)
        ran = mapt("track")
        assert ran.err.startswith(f"mapt: {words}") and ran.err.count("\n") == 1


def test_a_program_that_runs_many_commands_does_not_register_them_again(
    mapt: Run,
) -> None:
    mapt("doctor", "--help")
    commands = len(app.registered_commands)
    mapt("doctor", "--help")
    assert len(app.registered_commands) == commands
