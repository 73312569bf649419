"""Measures a fleet: `python -m mapt.bench.fleet throughput` and `... memory`.

`throughput` tracks the same recordings with Ray and with plain processes in turn, and compares
their steady rates. `memory` lets the driver go over many recordings that are whole already.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.fleet.memory import measure_memory
from mapt.bench.fleet.throughput import measure_throughput
from mapt.docstrings import text_of
from mapt.engines.choice import EngineOptions
from mapt.io.atomic_files import write_json


@told_in_one_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.fleet", description=text_of(__name__)
    )
    parser.add_argument("what", choices=("throughput", "memory"))
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="ray", choices=("local", "ray"))
    parser.add_argument("--address")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    engine = EngineOptions(options.engine, options.address, options.workers)
    if options.what == "throughput":
        found = measure_throughput(options.recordings, options.frames, options.rounds, engine)
    else:
        found = measure_memory(options.recordings, engine)
    for name, value in found.items():
        print(f"{name}: {value}")
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
