"""Measures a cold process from its start to the first frame, and the size of the library.

Usage: python -m mapt.bench.native.cold_start HOST BUNDLE FOLDER [--runs N]

HOST is `mapt_host` of `make native`, FOLDER one of frames. Loading ONNX Runtime alone is timed
too, because a program pays for it whatever runs on it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mapt.runtime.native.library import find_onnxruntime

START = 0.5  # seconds to the first frame, besides the load of ONNX Runtime
SIZE = 3  # MB
LOAD = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"


def seconds(command: list[str]) -> float:
    """Return how long a process took.

    Raises:
        CalledProcessError: it failed.
    """
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def first_line(command: list[str]) -> float:
    """Return how long a process took to print its first line, the tracks of its first frame."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        took = time.perf_counter() - start
        process.stdout.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return took


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(prog="python -m mapt.bench.native.cold_start")
    for name in ("host", "bundle", "folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    whole = list[float]()
    loads = list[float]()
    starts = list[float]()
    with tempfile.TemporaryDirectory() as out:
        command = ["stdbuf", "-oL", *map(str, (asked.host, asked.bundle, asked.folder, out))]
        for _ in range(asked.runs):  # interleaved, because the machine may be busy
            whole.append(first_line(command))
            loads.append(seconds([sys.executable, "-c", LOAD, str(find_onnxruntime())]))
            starts.append(seconds([sys.executable, "-c", "import ctypes, sys"]))
    library = (asked.host.parent / "libmapt.so").stat().st_size
    load = statistics.median(loads) - statistics.median(starts)
    first = statistics.median(whole)
    print(f"first frame after {first:.2f} s, of which {load:.2f} s load ONNX Runtime's library")
    print(f"without that load {first - load:.2f} s, wanted below {START} s")
    print(f"libmapt.so {library / 1e6:.2f} MB, wanted below {SIZE} MB")


if __name__ == "__main__":
    main()
