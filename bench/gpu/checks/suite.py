"""Runs files of the test suite, if there is a checkout and pytest."""

from __future__ import annotations

import re
import subprocess
import sys

from mapt.bench.gpu.context import Context, Result, Skip
from mapt.bench.gpu.needs import ROOT

FAKE = (
    "tests/training/test_fake_cuda.py",
    "tests/model/test_fake_cuda.py",
    "tests/training/test_cuda.py",
    "tests/model/test_cuda.py",
)
LOOPS = ("tests/csrc/test_cuda_source.py", "tests/csrc/test_ort_cuda.py")
DEVICE = (
    "tests/ops/test_deform_conv.py",
    "tests/ops/test_roi_align.py",
    "tests/ops/test_propagate.py",
)
IMAGES = ("tests/runtime/images/test_gpu.py",)
COUNT = re.compile(r"(\d+) (passed|failed|error|skipped|deselected)")


def device_tests(context: Context) -> Result:
    """The tests marked `device`, on this device alone."""
    return ran("-m", "device", "-k", context.device, *_there(DEVICE))


def images(context: Context) -> Result:
    """Images and labels in the GPU's memory, beside the host's."""
    return ran(*_there(IMAGES))


def fake_cuda(context: Context) -> Result:
    """Subgraphs, losses and a step on tensors that only say that they are on a GPU."""
    return ran(*_there(FAKE))


def kernels_as_loops(context: Context) -> Result:
    """The CUDA kernels' source, run as loops, beside the CPU's operators."""
    return ran(*_there(LOOPS))


def _there(paths: tuple[str, ...]) -> list[str]:
    found = [path for path in paths if (ROOT / path).is_file()]
    if not found:
        raise Skip(f"no {paths[0]}")
    return found


def ran(*arguments: str) -> Result:
    """Pytest in a process of its own.

    Raises:
        Skip: it selected no test.
    """
    options = ["-p", "no:cacheprovider", "--color=no", "-m", "not slow"]
    command = [sys.executable, "-m", "pytest", *options, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    last = lines[-1] if lines else done.stderr.strip()[-100:]
    if done.returncode == 5:
        raise Skip(f"no test was selected: {' '.join(arguments)}")
    counts = {what: int(number) for number, what in COUNT.findall(last)}
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    faults = tuple(failed) if failed or not done.returncode else (last,)
    return Result(last.strip("= "), {"counts": counts, "failed": failed}, faults)
