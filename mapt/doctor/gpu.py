"""Checks of the GPU, its driver, and what runs on it."""

from __future__ import annotations

import shutil
import subprocess

from mapt.doctor.finding import Finding, attempt
from mapt.probes import ask
from mapt.runtime.backends.tensorrt_library import extras

CUDA_PROBE = """
import onnxruntime
from mapt.runtime.backends.ort_providers import NoCudaError, start_cuda
try:
    start_cuda(onnxruntime)
    print("ok: comes up and runs")
except NoCudaError as error:
    print(f"missing: {error}")
except Exception as error:
    print(f"broken: {error}")
"""


def check_gpu() -> Finding:
    """Ask NVIDIA's driver for its GPUs and its version."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding(
            "NVIDIA GPU",
            "missing",
            "no nvidia-smi",
            "not needed on a CPU; a GPU needs NVIDIA's driver",
        )
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired as error:
        return Finding(
            "NVIDIA GPU", "broken", f"no answer in {error.timeout:.0f} s", "repair NVIDIA's driver"
        )
    if answer.returncode:
        return Finding(
            "NVIDIA GPU",
            "broken",
            answer.stdout.strip() or answer.stderr.strip(),
            "repair NVIDIA's driver",
        )
    return Finding("NVIDIA GPU", "ok", "; ".join(answer.stdout.strip().splitlines()))


def check_cuda_provider() -> Finding:
    """Check that ONNX Runtime's CUDA provider starts and runs a graph.

    A build that lists the provider may still be unable to load it.
    """
    what = "ONNX Runtime on a GPU"
    advice = "not needed on a CPU; bundles run there"
    probe = ask(CUDA_PROBE)
    state, _, detail = probe.out.partition(": ")
    if state == "ok":
        tf32 = "float32 is not rounded to TF32 unless tf32=True or --tf32 asks for it"
        return Finding(what, "ok", f"{detail}; {tf32}")
    if state == "missing":
        return Finding(what, "missing", detail, advice)
    return Finding(
        what, "broken", detail or probe.error, "repair CUDA, or run bundles with device 'cpu'"
    )


def check_tensorrt() -> Finding:
    """Check that a TensorRT is installed, and list the GPUs that it builds engines for."""
    install = f"only TensorRT engines need it: install {extras()}"

    def engines() -> str:
        from mapt.export.tensorrt.engines import find_targets

        library, targets = find_targets()
        return f"{library} builds engines for {', '.join(targets)}"

    return attempt("TensorRT", engines, install)
