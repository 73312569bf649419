"""The compiled operators beside torchvision and ONNX Runtime: `python -m mapt.bench.kernels`.

Every contender runs once a round, in turn, so that changes of the machine's speed affect all of
them. The medians are compared.

The table also gives the share of the machine's limit, which is measured in the same run. The limit
is the longer of two times: the arithmetic at the rate of a matrix product, and the transfer of all
inputs and outputs once through memory. PyTorch's matrix product is not the best that a processor
can do, so more than 100 % is possible.
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


def measure(cases: Sequence[Case], rounds: int) -> None:
    """Fill in the medians of every contender over interleaved rounds."""
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
    for i, case in enumerate(cases):
        case.seconds = {name: statistics.median(times[i, name]) for name in ("ours", *case.others)}


def report(cases: Sequence[Case], limits: Bounds, threads: int) -> dict[str, object]:
    """Return all measurements, for --json."""
    rows = [
        {
            "name": c.name,
            "ms": {n: s * 1e3 for n, s in c.seconds.items()},
            "times": {n: s / c.seconds["ours"] for n, s in c.seconds.items() if n != "ours"},
            "limit_ms": limits.seconds(c) * 1e3,
            "share": limits.seconds(c) / c.seconds["ours"],
        }
        for c in cases
    ]
    machine = {
        **describe_machine(threads),
        "gflops": limits.flops / 1e9,
        "gbytes": limits.bandwidth / 1e9,
    }
    return {"machine": machine, "implementation": ops.implementation(), "cases": rows}


def print_report(cases: Sequence[Case], limits: Bounds, threads: int, rounds: int) -> None:
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
    )
    for case in cases:
        ours = case.seconds["ours"]
        cells = []
        for name in ("torchvision", "ONNX Runtime"):
            other = case.seconds.get(name)
            cells += ["", ""] if other is None else [f"{other * 1e3:.1f}", f"{other / ours:.1f}"]
        table.add_row(case.name, f"{ours * 1e3:.2f}", *cells, f"{limits.seconds(case) / ours:.0%}")
    console = Console(width=130)
    console.print(table)
    console.print(
        f"{ops.implementation()}, {threads} threads, medians of {rounds} interleaved rounds; limits"
        f" of this run: {limits.flops / 1e9:.0f} GFLOP/s (matrix product),"
        f" {limits.bandwidth / 1e9:.1f} GB/s (copy)",
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
        measure(cases, options.rounds)
    print_report(cases, limits, options.threads, options.rounds)
    if options.json:
        write_json(options.json, report(cases, limits, options.threads))


if __name__ == "__main__":
    main()
