"""Runs checks in child processes, and goes on if one of them dies or hangs."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mapt.bench.gpu.context import Context
from mapt.bench.gpu.needs import obstacle
from mapt.bench.gpu.registry import Check, Need

START = 60.0  # seconds that a child may take to import what it needs
LOOK = 0.5  # seconds between looks whether a process still lives
FAILED = ("failed", "died", "timeout")

Told = dict[str, Any]


@dataclass
class CheckRun:
    """A run and what is known of it so far.

    Attributes:
        checks: in the order in which they run.
        lacking: what the machine lacks, and why.
        context: what the checks are given.
        ends: when the run has to be over, on `time.monotonic`'s clock.
        told: called with a check and what became of it, as soon as that is known.
        results: by check, in the order of `checks` once the run is over.
    """

    checks: Sequence[Check]
    lacking: Mapping[Need, str]
    context: Context
    ends: float
    told: Callable[[Check, Told], None] = lambda check, told: None
    results: dict[str, Told] = field(default_factory=dict)

    def finish(self) -> None:
        """Run everything that can run here, and say of the rest why it cannot."""
        for _, group in itertools.groupby(self.checks, key=lambda check: check.group):
            runnable = []
            for check in group:
                if reason := obstacle(check, self.lacking):
                    self._keep(check, {"status": "skipped", "line": reason})
                else:
                    runnable.append(check)
            while runnable:
                runnable = self._run_some(runnable)

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed, died or took too long."""
        return [name for name, told in self.results.items() if told["status"] in FAILED]

    def _keep(self, check: Check, told: Told) -> None:
        self.results[check.name] = {
            "name": check.name,
            "needs": list(check.needs),
            "shows": check.shows,
            "seconds": 0.0,
            **told,
        }
        self.told(check, self.results[check.name])

    def _run_some(self, checks: list[Check]) -> list[Check]:
        """Run checks of one group in one process as far as it lives; returns those still to run."""
        if time.monotonic() >= self.ends:
            for check in checks:
                self._keep(check, {"status": "not run", "line": "the time was over"})
            return []
        log = self.context.folder / f"{checks[0].group}.log"
        with log.open("ab") as output, _child(checks, self.context, output) as (process, events):
            begun = time.monotonic()
            left = list(checks)
            limit = START
            running = False
            while True:
                ends = min(begun + limit, self.ends)
                event = events.next(ends)
                if event is None and time.monotonic() >= ends:
                    seconds = round(time.monotonic() - begun, 1)
                    line = f"stopped after {seconds} s{_last_line(log)}"
                    self._keep(left[0], {"status": "timeout", "line": line, "seconds": seconds})
                    return left[1:]
                if event is None:  # the process ended
                    if running or len(left) == len(checks):
                        self._keep(left[0], _death(process, log, time.monotonic() - begun))
                        return left[1:]
                    return left
                begun = time.monotonic()
                running = "begin" in event
                if running:
                    limit = left[0].limit
                else:
                    event.pop("end")
                    self._keep(left.pop(0), event)
                    limit = START
                    if not left:
                        return []


class Events:
    """Lines of JSON from a process.

    Args:
        process: that writes them.
        descriptor: the reading end of a pipe, which belongs to this object.
    """

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.descriptor = descriptor
        self.rest = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(descriptor, selectors.EVENT_READ)

    def next(self, ends: float) -> Told | None:
        """The next line; None where the process has ended, and at the time `ends`."""
        while b"\n" not in self.rest:
            # What the process started may have the pipe open for longer than itself.
            ended = self.process.poll() is not None
            left = max(0.0, ends - time.monotonic())
            if self.selector.select(0 if ended else min(left, LOOK)):
                data = os.read(self.descriptor, 1 << 16)
                if not data:
                    return None
                self.rest += data
            elif ended or not left:
                return None
        line, _, self.rest = self.rest.partition(b"\n")
        told: Told = json.loads(line)
        return told

    def close(self) -> None:
        """Close the pipe."""
        self.selector.close()
        os.close(self.descriptor)


@contextlib.contextmanager
def _child(
    checks: Sequence[Check], context: Context, log: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], Events]]:
    """A process for these checks, in a process group of its own, which is gone afterwards."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "mapt.bench.gpu.child", str(writing), context.device]
    command += [str(int(context.small)), str(context.folder)]
    command += [f"{check.name}={check.target}" for check in checks]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=[writing],
        start_new_session=True,
    )
    os.close(writing)
    events = Events(process, reading)
    try:
        yield process, events
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started and left behind
        if process.stdin:
            process.stdin.close()
        events.close()


def _death(process: subprocess.Popen[bytes], log: Path, seconds: float) -> Told:
    """Return the outcome of the check during which the process ended."""
    try:
        code = process.wait(10)
    except subprocess.TimeoutExpired:
        code = 0
    if code < 0:
        how = f"its process ended by {signal.Signals(-code).name}"
    else:
        how = f"its process ended with exit code {code}"
    return {"status": "died", "line": f"{how}{_last_line(log)}", "seconds": round(seconds, 1)}


def _last_line(log: Path) -> str:
    """The last line that a process printed, to follow a sentence."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"; last printed: {last[:100]}" if last else ""
