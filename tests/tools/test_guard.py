"""A suite with a test that hangs ends by itself, and not with exit code 0."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = """
import ctypes, threading, time
import pytest
libc, pause = ctypes.PyDLL(None), ctypes.CDLL(None).pause
mutex = ctypes.create_string_buffer(256)
def deadlock():
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)
@pytest.fixture
def stuck():
    yield
    deadlock()
"""
THREAD = "threading.Thread(target=time.sleep, args=(1e6,)).start()"
# How the test hangs: its body, what is said at least, the test's limit and the guard's grace in
# seconds.
HANGS = {
    "in Python": ("def test():\n    time.sleep(1e6)", "Timeout (>1.0s)", 1, 60),
    "in compiled code": ("def test():\n    deadlock()", "in deadlock", 1, 1),
    "in a teardown after a failure": ("def test(stuck):\n    assert False", "", 1, 1),
    "and so does a thread": (f"def test():\n    {THREAD}\n    time.sleep(1e6)", "", 1, 1),
    "in a thread when all have passed": (f"def test():\n    {THREAD}", "1 passed", 60, 1),
    "in the last destructor": (
        "def test():\n    libc.__cxa_atexit(pause, None, None)",
        "1 passed",
        60,
        1,
    ),
}


@pytest.mark.parametrize(("body", "words", "limit", "grace"), HANGS.values(), ids=HANGS)
def test_a_suite_that_hangs_ends_and_has_failed(
    tmp_path: Path, body: str, words: str, limit: int, grace: int
) -> None:
    (tmp_path / "conftest.py").write_text("from tests.tools.guard import *\n")
    (tmp_path / "test_planted.py").write_text(f"{HEAD}{body}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
    command += [
        "--timeout",
        str(limit),
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    settings = {"MAPT_TEST_GRACE": str(grace), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **settings},
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode not in (0, 5) and words in said, said
