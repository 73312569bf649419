"""The compiled operators beside torchvision and ONNX Runtime: `python -m mapt.bench.kernels`.

Every contender runs once a round, in turn, so that changes of the machine's speed affect all of
them. The medians are compared.

The table also gives the share of the machine's limit, which is measured in the same run. The limit
is the longer of two times: the arithmetic at the rate of a matrix product, and the transfer of all
inputs and outputs once through memory. PyTorch's matrix product is not the best that a processor
can do, so more than 100 % is possible.

With --busy N, everything is measured again beside N processes that never wait. The table then says
how many times as long each contender takes.
"""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mapt import ops
from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.costs.roofline import Limits, measure_limits, time_of
from mapt.bench.kernels.busy import busy_processes
from mapt.bench.kernels.case import Case
from mapt.bench.kernels.cases import convolution_case, motion_cases, roi_cases
from mapt.bench.kernels.training_cases import training_cases
from mapt.bench.machine import describe_machine
from mapt.docstrings import text_of
from mapt.io.atomic_files import write_json

SHORT = 0.01  # seconds that a contender is timed for at least, in each round
PAUSE = 0.003  # seconds; the last contender's threads have stopped spinning then


@dataclass(frozen=True)
class Bounds(Limits):
    """The machine's limits, from which the least time of a case follows."""

    def seconds(self, case: Case) -> float:
        """Return the least time that a case can take, in seconds."""
        return max(case.flops / self.flops, case.bytes / self.bandwidth)


def measure(cases: Sequence[Case], rounds: int) -> list[dict[str, float]]:
    """Return for each case the medians of every contender over interleaved rounds, in seconds."""
    times: dict[tuple[int, str], list[float]] = {}
    repeats: dict[tuple[int, str], int] = {}
    for number in range(rounds + 1):
        for i, case in enumerate(cases):
            for name, call in {"ours": case.ours, **case.others}.items():
                key = i, name
                time.sleep(PAUSE)
                if repeats.get(key, 2) > 1:  # threads wake up; what is long does not notice
                    call()
                took = time_of(call, repeats.get(key, 1))
                if number == 0:  # the first round tells how often to repeat what is short
                    repeats[key] = max(1, round(SHORT / took))
                else:
                    times.setdefault(key, []).append(took)
    return [
        {name: statistics.median(times[i, name]) for name in ("ours", *case.others)}
        for i, case in enumerate(cases)
    ]


def fill_in(cases: Sequence[Case], rounds: int, busy: int) -> None:
    """Measure the cases, and again beside `busy` busy processes if it is not zero."""
    for case, seconds in zip(cases, measure(cases, rounds), strict=True):
        case.seconds = seconds
    if busy:
        with busy_processes(busy):
            for case, seconds in zip(cases, measure(cases, rounds), strict=True):
                case.busy_seconds = seconds


def report(cases: Sequence[Case], limits: Bounds, threads: int, busy: int) -> dict[str, object]:
    """Return all measurements, for --json."""
    rows: list[dict[str, object]] = [
        {
            "name": c.name,
            "ms": {n: s * 1e3 for n, s in c.seconds.items()},
            "times": {n: s / c.seconds["ours"] for n, s in c.seconds.items() if n != "ours"},
            "limit_ms": limits.seconds(c) * 1e3,
            "share": limits.seconds(c) / c.seconds["ours"],
            "busy_ms": {n: s * 1e3 for n, s in c.busy_seconds.items()},
            "slowdowns": c.slowdowns(),
        }
        for c in cases
    ]
    machine = {
        **describe_machine(threads),
        "gflops": limits.flops / 1e9,
        "gbytes": limits.bandwidth / 1e9,
    }
    return {
        "machine": machine,
        "implementation": ops.implementation(),
        "busy_processes": busy,
        "cases": rows,
    }


def print_report(
    cases: Sequence[Case], limits: Bounds, threads: int, rounds: int, busy: int
) -> None:
    """Print the table of measurements."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "milliseconds",
        "ours",
        "torchvision",
        "times",
        "ONNX Runtime",
        "times",
        "share of the limit",
        *(("busy", "slower: ours", "torchvision", "ONNX Runtime") if busy else ()),
    )
    for case in cases:
        ours = case.seconds["ours"]
        cells = []
        for name in ("torchvision", "ONNX Runtime"):
            other = case.seconds.get(name)
            cells += ["", ""] if other is None else [f"{other * 1e3:.1f}", f"{other / ours:.1f}"]
        cells.append(f"{limits.seconds(case) / ours:.0%}")
        if busy:
            cells.append(f"{case.busy_seconds['ours'] * 1e3:.2f}")
            slower = case.slowdowns()
            for name in ("ours", "torchvision", "ONNX Runtime"):
                cells.append(f"{slower[name]:.1f}" if name in slower else "")
        table.add_row(case.name, f"{ours * 1e3:.2f}", *cells)
    console = Console(width=160 if busy else 130)
    console.print(table)
    console.print(
        f"{ops.implementation()}, {threads} threads, medians of {rounds} interleaved rounds; limits"
        f" of this run: {limits.flops / 1e9:.0f} GFLOP/s (matrix product),"
        f" {limits.bandwidth / 1e9:.1f} GB/s (copy)"
        + (f"; busy: beside {busy} processes that never wait" if busy else ""),
        highlight=False,
    )


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.kernels", description=text_of(__name__)
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--only", default="", help="cases whose name matches this regular expression"
    )
    parser.add_argument(
        "--busy", type=int, default=0, help="measure again beside so many busy processes"
    )
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with torch.no_grad():
        limits = Bounds(**asdict(measure_limits()))
        cases = [
            *motion_cases(options.threads),
            *roi_cases(options.threads),
            convolution_case(options.threads),
        ]
    cases = [case for case in [*cases, *training_cases()] if re.search(options.only, case.name)]
    gc.freeze()
    gc.disable()
    with torch.no_grad():
        fill_in(cases, options.rounds, options.busy)
    print_report(cases, limits, options.threads, options.rounds, options.busy)
    if options.json:
        write_json(options.json, report(cases, limits, options.threads, options.busy))


if __name__ == "__main__":
    main()
