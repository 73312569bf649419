"""Runs the checks that need a GPU: `python -m mapt.bench.gpu`.

Runs every check that can run on this machine and prints at most sixty lines. Exit code 0: all
passed. 1: some failed. 2: a mistake in the arguments, or there is no GPU and what needs none has
run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.gpu.context import Context, Device
from mapt.bench.gpu.needs import missing
from mapt.bench.gpu.registry import Check, Need, choose, listed
from mapt.bench.gpu.runner import CheckRun
from mapt.bench.gpu.screen import Screen
from mapt.bench.machine import describe_machine
from mapt.cores import usable_cores
from mapt.docstrings import text_of
from mapt.errors import InputError
from mapt.io.atomic_files import check_writable, write_json

MINUTES = 6.0


def content(run: CheckRun, began: float, complete: bool) -> dict[str, Any]:
    """Return all results, for --json."""
    return {
        "machine": describe_machine(usable_cores()),
        "device": "none" if "gpu" in run.lacking else run.context.device,
        "rehearsal": run.context.device == "cpu" and "gpu" not in run.lacking,
        "complete": complete,
        "seconds": round(time.monotonic() - began, 1),
        "lacking": dict(run.lacking),
        "checks": list(run.results.values()),
    }


def execute(
    checks: Sequence[Check], device: Device | None, minutes: float, out: Path | None
) -> int:
    """Run checks; returns the exit code.

    Args:
        checks: what to run.
        device: "cpu" for a rehearsal of what a GPU would do; None: the GPU, where there is one.
        minutes: after which the run is over.
        out: where the results go as JSON, after every check.
    """
    began = time.monotonic()
    screen = Screen()
    lacking = missing()
    if device == "cpu":
        lacking = {need: why for need, why in lacking.items() if need not in ("gpu", "ort-cuda")}
    rehearsed = device == "cpu"
    with tempfile.TemporaryDirectory(prefix="mapt-gpu-") as scratch:
        place = "cuda" if not rehearsed and "gpu" not in lacking else "cpu"
        context = Context(cast(Device, place), place == "cpu", Path(scratch))
        run = CheckRun(checks, lacking, context, began + 60 * minutes)

        def told(check: Check, what: dict[str, Any]) -> None:
            screen.check(check, what)
            if out:
                write_json(out, content(run, began, complete=False))

        run.told = told
        run.finish()
    if out:
        write_json(out, content(run, began, complete=True))
    screen.end(list(run.results.values()), _last(run, lacking, time.monotonic() - began, out))
    if any("gpu" in check.needs for check in checks) and "gpu" in lacking:
        return 2
    return 1 if run.failed else 0


def _last(run: CheckRun, lacking: dict[Need, str], seconds: float, out: Path | None) -> list[str]:
    """Return the summary lines at the end."""
    states = [told["status"] for told in run.results.values()]
    count = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    where = f"; everything is in {out}" if out else "; --json FILE keeps everything"
    lines = [f"{len(states)} checks in {seconds:.0f} s: {count}{where}"]
    if run.context.device == "cpu" and "gpu" not in lacking:
        lines.append("a rehearsal on the CPU: it shows that the checks run, and nothing of a GPU")
    needy = sum("gpu" in check.needs for check in run.checks)
    if needy and "gpu" in lacking:
        lines.append(f"{lacking['gpu']}; {needy} checks need one, what needs none has run")
    return lines


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the checks."""
    parser = argparse.ArgumentParser(prog="python -m mapt.bench.gpu", description=text_of(__name__))
    parser.add_argument("--list", action="store_true", help="print the checks and what they need")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="checks or groups")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which the run ends")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number here")
    parser.add_argument(
        "--device", choices=["cpu"], help="cpu: rehearse the checks for a GPU on small sizes"
    )
    options = parser.parse_args(arguments)
    checks = choose(options.only)
    if options.list:
        print("\n".join(listed(checks)))
        return
    if not options.minutes > 0:
        raise InputError(f"--minutes {options.minutes:g}: must be above 0")
    check_writable(options.json, "--json")
    raise SystemExit(execute(checks, options.device, options.minutes, options.json))


if __name__ == "__main__":
    main()
