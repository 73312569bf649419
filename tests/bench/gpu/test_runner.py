"""The runner of `python -m mapt.bench.gpu`.

It is tested with checks that fail, die or hang, and for what it prints.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mapt.bench.gpu import needs, registry
from mapt.bench.gpu.__main__ import execute, main
from mapt.bench.gpu.context import Context
from mapt.bench.gpu.registry import CHECKS, Check, Need
from mapt.bench.gpu.runner import CheckRun
from mapt.bench.gpu.screen import LINES, Screen, shortened
from mapt.io import toml

ROOT = Path(__file__).parents[3]


def check(title: str, *needed: Need, limit: float = 60) -> Check:
    return Check("gpu_group", title, needed, limit, "for a test", package="tests.bench.gpu")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CheckRun]:
    """Runs checks as the command does."""
    monkeypatch.chdir(ROOT)

    def start(*checks: Check, seconds: float = 120, **more: Any) -> CheckRun:
        context = Context("cpu", True, tmp_path)
        made = CheckRun(checks, {"gpu": "no GPU"}, context, time.monotonic() + seconds, **more)
        made.finish()
        return made

    return start


def test_it_goes_on_after_every_kind_of_end(run: Callable[..., CheckRun]) -> None:
    titles = ["good", "faulty", "raising", "aborting", "leaving", "skipping", "good"]
    # The last one under another name, so that all are told apart.
    last = Check("gpu_group", "good", (), 60, "the last", package="tests.bench.gpu")
    seen: list[str] = []
    result = run(*map(check, titles[:-1]), last, told=lambda c, t: seen.append(t["status"]))
    assert seen == ["passed", "failed", "failed", "died", "died", "skipped", "passed"]
    told = result.results
    assert told["gpu_group.faulty"]["faults"] == ["the third differs"]
    assert told["gpu_group.raising"]["line"] == "RuntimeError: CUDA error: an illegal memory access"
    assert "SIGABRT" in told["gpu_group.aborting"]["line"]
    assert "exit code 3" in told["gpu_group.leaving"]["line"]
    assert result.failed == [f"gpu_group.{t}" for t in titles[1:5]]


def test_a_group_shares_a_process_until_a_check_raises(run: Callable[..., CheckRun]) -> None:
    pids: list[int] = []

    def told(_: Check, what: dict[str, Any]) -> None:
        if what["status"] == "passed":
            pids.append(what["values"]["process"])

    run(check("good"), check("faulty"), check("good"), check("raising"), check("good"), told=told)
    assert len(pids) == 3 and pids[0] == pids[1] != pids[2]


def test_a_check_that_hangs_is_stopped_with_what_it_started(
    run: Callable[..., CheckRun], tmp_path: Path
) -> None:
    result = run(check("hanging", limit=1), check("good"))
    assert [told["status"] for told in result.results.values()] == ["timeout", "passed"]
    assert gone(int((tmp_path / "started").read_text()))


def test_a_process_that_leaves_others_behind_has_ended(run: Callable[..., CheckRun]) -> None:
    told = run(check("bereaving", limit=60), check("good")).results["gpu_group.bereaving"]
    assert told["status"] == "died" and "exit code 4" in told["line"]


def gone(process: int) -> bool:
    """Is a process no more, or about to be collected by whoever started it?"""
    for _ in range(100):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def test_the_time_of_all_is_bounded(run: Callable[..., CheckRun]) -> None:
    result = run(check("hanging", limit=600), check("good"), seconds=0.2)
    assert [told["status"] for told in result.results.values()] == ["timeout", "not run"]


def test_what_the_machine_lacks_is_not_started(run: Callable[..., CheckRun]) -> None:
    result = run(check("aborting", "gpu"), check("good"))
    assert result.results["gpu_group.aborting"]["line"] == "no GPU"
    assert [told["status"] for told in result.results.values()] == ["skipped", "passed"]


def test_a_module_that_does_not_import_is_a_failure(run: Callable[..., CheckRun]) -> None:
    broken = Check("no_such_group", "any", (), 60, "nothing", package="tests.bench.gpu")
    told = run(broken).results["no_such_group.any"]
    assert told["status"] == "failed" and "no_such_group" in told["line"]


def test_a_process_that_does_not_start_is_told_of(
    run: Callable[..., CheckRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    result = run(check("good"), check("faulty"))
    assert [told["status"] for told in result.results.values()] == ["died", "died"]


def killed_run(folder: Path) -> subprocess.Popen[bytes]:
    script = (
        "import sys; from pathlib import Path; from mapt.bench.gpu import __main__ as command;from"
        " tests.bench.gpu.test_runner import check;import tempfile; tempfile.tempdir ="
        " sys.argv[1];command.execute([check('good'), check('hanging', limit=600)], 'cpu', 5,"
        " Path(sys.argv[1], 'out.json'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=ROOT, env=environment)


def test_a_kill_loses_no_result_and_leaves_no_process(tmp_path: Path) -> None:
    process = killed_run(tmp_path)
    try:
        for _ in range(600):
            started = list(tmp_path.glob("mapt-gpu-*/started"))
            if started and (tmp_path / "out.json").is_file():
                break
            time.sleep(0.1)
        child = int(started[0].read_text())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    told = json.loads((tmp_path / "out.json").read_text())
    assert not told["complete"] and [c["status"] for c in told["checks"]] == ["passed"]
    assert gone(child)


def test_without_a_gpu_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(needs.LOOKS, "gpu", lambda: "no NVIDIA GPU: none found")
    checks = [check("aborting", "gpu"), check("good")]
    assert execute(checks, None, 2, tmp_path / "out.json") == 2
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "no NVIDIA GPU: none found; 1 checks need one, what needs none has run"
    assert lines[0].split()[:2] == ["passed", "gpu_group.good"]
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["complete"] and told["device"] == "none"
    assert {"name", "status", "seconds", "needs", "shows", "line", "values", "faults"} <= told[
        "checks"
    ][1].keys()


@pytest.mark.parametrize(("title", "code"), [("good", 0), ("faulty", 1), ("aborting", 1)])
def test_exit_codes(title: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert execute([check(title)], "cpu", 2, None) == code


def test_it_prints_sixty_lines_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(wide=100)
    results = []
    for number in range(100):
        one = check(f"number-{number}")
        told = {
            "name": one.name,
            "status": "failed",
            "seconds": 1.0,
            "line": "x" * 500,
            "faults": ["y"] * 9,
        }
        screen.check(one, {**told, "rows": ["a row"] * 20})
        results.append({**told, "rows": ["a row"] * 20})
    results.append({"name": "left", "status": "skipped", "line": "no reason"})
    screen.end(results, ["first of the end", "the very last"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == LINES == 60 and max(map(len, lines)) == 100
    assert lines[-3:] == ["skipped  left: no reason", "first of the end", "the very last"]
    assert any("fault in" in line for line in lines)


def test_tables_are_printed_whole_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    big = {"name": "big", "status": "passed", "line": "", "rows": ["row"] * 59}
    small = {"name": "small", "status": "passed", "line": "", "rows": ["row"] * 5}
    screen.end([big, small], ["the end"])
    assert capsys.readouterr().out.splitlines() == ["small:", *["  row"] * 5, "the end"]


def test_many_names_are_counted() -> None:
    assert shortened(["a.b", "c.d"]) == "a.b, c.d"
    assert shortened(["a.b", "a.c", "d.e", "a.f", "d.g"]) == "5 checks of a, d"


def test_the_list_needs_no_library() -> None:
    script = (
        "import sys; sys.modules.update(torch=None, onnxruntime=None, numpy=None, cv2=None);"
        "from mapt.bench.gpu.registry import CHECKS, listed; print('\\n'.join(listed()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert [line.split()[0] for line in ran.stdout.splitlines()] == [c.name for c in CHECKS]


def test_list_and_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list", "--only", "training", "build.resources"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and lines[-1].startswith("build.resources")
    for arguments, message in (
        (["--only", "trainig"], "do you mean training?"),
        (["--minutes", "0"], "must be above 0"),
        (["--json", str(ROOT)], "is a folder"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2 and message in capsys.readouterr().err


def test_every_check_has_its_function_and_is_described() -> None:
    assert len({c.name for c in CHECKS}) == len(CHECKS)
    for one in CHECKS:
        module, _, function = one.target.partition(":")
        assert callable(getattr(import_module(module), function)), one.name
        assert one.limit <= 200 and one.shows and set(one.needs) <= needs.LOOKS.keys()
    assert registry.choose([]) == list(CHECKS)
    assert sum("gpu" in c.needs for c in CHECKS) > 20


def test_every_package_of_the_benchmarks_is_installed() -> None:
    packages = toml.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {file.parent.relative_to(ROOT) for file in (ROOT / "bench").rglob("*.py")}
    assert {".".join(("mapt", *folder.parts)) for folder in found} <= set(packages)


def test_needs_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    lacking = needs.missing()
    assert lacking["nvcc"] == "no nvcc" and "compute-sanitizer" in lacking["sanitizer"]
    monkeypatch.setattr(needs, "ROOT", tmp_path)
    assert "checkout" in needs.missing()["tests"] and "checkout" in needs.missing()["nvcc"]
    assert needs.obstacle(check("good", "nvcc"), lacking) == "no nvcc"
    assert needs.obstacle(check("good"), lacking) == ""
