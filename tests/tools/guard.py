"""The suite ends, whatever a test does: hooks that `tests/conftest.py` takes over.

pytest-timeout fails a test that hangs in Python. It cannot reach one that hangs in compiled code,
nor a process that waits for its threads or children after the summary. Here faulthandler, which
needs neither Python nor its lock, prints every stack and ends the process with exit code 1. After
the summary the kernel's alarm stands behind it, because faulthandler stops before the last
destructors run.
"""

from __future__ import annotations

import faulthandler
import os
import signal

import pytest

GRACE = float(
    os.environ.get("MAPT_TEST_GRACE", "120")
)  # seconds beyond a test's limit, and after the summary
STDERR = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the real stderr for faulthandler.

    What it prints while a test's output is captured would be lost.
    """
    config.stash[STDERR] = os.dup(2)


def limit_of(item: pytest.Item) -> float:
    """The seconds that pytest-timeout gives a test; 0: no limit."""
    marker = item.get_closest_marker("timeout")
    if marker:
        return float(marker.args[0] if marker.args else marker.kwargs["timeout"])
    given = item.config.getoption("timeout")
    return float(item.config.getini("timeout") or 0 if given is None else given)


def _arm(item: pytest.Item) -> None:
    if limit := limit_of(item):
        faulthandler.dump_traceback_later(limit + GRACE, exit=True, file=item.config.stash[STDERR])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to count."""
    _arm(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Start a new count for the teardown.

    pytest stopped the count where the test failed, and pytest-timeout rings once a test.
    """
    _arm(item)


def pytest_runtest_logfinish() -> None:
    """The test is over."""
    faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The summary is printed, and the process has `GRACE` seconds to end."""
    faulthandler.dump_traceback_later(GRACE, exit=True, file=config.stash[STDERR])
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 1.5 * GRACE)
