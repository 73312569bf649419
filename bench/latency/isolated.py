"""Measures the memory and the frames per second of one backend in a process of its own.

`python -m mapt.bench.latency.isolated KIND BUNDLE IMAGES` prints one line of JSON. ONNX Runtime's
process imports no PyTorch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mapt.bench.cli_errors import told_in_one_line
from mapt.docstrings import text_of

FRAMES = 30
WARM = 3
LIMIT = 3600.0  # seconds until a process that does not answer is ended


@dataclass(frozen=True)
class Alone:
    """The measurements of a backend in its own process.

    Attributes:
        peak_mib: most memory that was resident (Linux), with interpreter and libraries.
        frames_per_second: one after another, reading the pictures apart.
    """

    peak_mib: float
    frames_per_second: float


def measure_alone(
    kind: str,
    bundle: Path,
    images: Path,
    threads: int,
    device: str = "cpu",
    trust: Path | None = None,
) -> Alone:
    """Measure a backend alone, in a new process.

    The process checks the bundle's signature again if `trust` is given.

    Raises:
        RuntimeError: the process failed, with the last line that it printed, or gave no answer in
            time.
    """
    options = ["--threads", str(threads), "--device", device]
    options += [] if trust is None else ["--trust", str(trust)]
    command = [
        sys.executable,
        "-m",
        "mapt.bench.latency.isolated",
        kind,
        str(bundle),
        str(images),
        *options,
    ]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer in {LIMIT:g} s") from None
    if ran.returncode:
        said = ran.stderr.strip().splitlines()
        raise RuntimeError(said[-1] if said else f"no message, exit code {ran.returncode}")
    return Alone(**json.loads(ran.stdout.splitlines()[-1]))


def peak_mib() -> float:
    """The most memory this process had resident."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@told_in_one_line()
def main() -> None:
    """Open the backend, step through the frames, print."""
    from mapt.io.sources.folders import open_sources
    from mapt.runtime import PanopticTracker
    from mapt.runtime.backends.ort import OrtBackend
    from mapt.runtime.backends.protocol import Backend
    from mapt.runtime.bundle.manifest import read_bundle

    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.latency.isolated", description=text_of(__name__)
    )
    parser.add_argument("kind")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--trust", type=Path, help="public key that must have signed the bundle")
    parser.add_argument("images", type=Path, help="a folder of frames")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of PyTorch")
    arguments = parser.parse_args()
    bundle = read_bundle(arguments.bundle, arguments.trust)
    backend: Backend
    if arguments.kind == "ort":  # as it is deployed
        backend = OrtBackend(bundle, arguments.threads)
    else:
        from mapt.bench.latency.backend_variants import BackendVariant, open_contender
        from mapt.evaluation.device import find_device

        place = find_device(arguments.device)
        backend = open_contender(
            BackendVariant("", arguments.kind, bundle), arguments.threads, place
        )
    tracker = PanopticTracker(backend)
    spent = 0.0
    kept = 0
    for number, frame in enumerate(islice(open_sources(arguments.images)[0], FRAMES + WARM)):
        begin = time.perf_counter()
        tracker.step(frame.image, frame.stamp_ns)
        if number >= WARM:
            spent = spent + time.perf_counter() - begin
            kept = kept + 1
    print(
        json.dumps(
            {"peak_mib": round(peak_mib(), 1), "frames_per_second": kept / spent if kept else 0.0}
        )
    )


if __name__ == "__main__":
    main()
