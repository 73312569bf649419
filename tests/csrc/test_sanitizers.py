"""Kernels and operators under AddressSanitizer and UBSan (csrc/tests)."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.csrc.test_plugins import headers

ROOT = Path(__file__).parents[2]
FLAGS = (
    "-std=c++17",
    "-O1",
    "-g",
    "-fno-omit-frame-pointer",
    "-fno-sanitize-recover=all",
    "-pthread",
)
SANITIZERS = "-fsanitize=address,undefined,float-cast-overflow"
# What memory a machine lacks the operators tell with a status; the sanitizer would end the program.
OPTIONS = "allocator_may_return_null=1:max_allocation_size_mb=256"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("g++") is None, reason="no g++"),
]


def compile_program(patterns: Sequence[str], program: Path, *options: str) -> None:
    everything = (*patterns, "cpu/*.cpp", "operators/*/cuda*.cu")
    found = [str(path) for pattern in everything for path in ROOT.glob(f"csrc/{pattern}")]
    flags = (*FLAGS, SANITIZERS, "-I", str(ROOT / "csrc"), *options)
    command = ["g++", *flags, "-x", "c++", *found, "-o", str(program)]
    subprocess.run(command, check=True)


def run(program: Path, *arguments: str, **variables: str) -> str:
    environment = os.environ | {"ASAN_OPTIONS": OPTIONS} | variables
    ran = subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0 and "clean" in ran.stdout, ran.stdout[-4000:] + ran.stderr[-4000:]
    return ran.stdout


def test_hostile_inputs_never_leave_their_memory(tmp_path: Path) -> None:
    compile_program(["tests/stress/*.cpp"], tmp_path / "stress")
    for isa in ("baseline", "avx2", "avx512"):
        run(tmp_path / "stress", MAPT_ISA=isa)


def test_random_attributes_and_shapes_of_onnx_runtimes_operators_run_or_are_refused(
    tmp_path: Path,
) -> None:
    patterns = [
        "onnxruntime/*.cpp",
        "operators/*/onnxruntime.cpp",
        "tests/fuzz_onnxruntime.cpp",
    ]
    compile_program(patterns, tmp_path / "fuzz", "-DMAPT_CUDA")
    for seed in range(3):
        run(tmp_path / "fuzz", "10000", str(seed))


@pytest.mark.skipif(
    headers() is None, reason="no TensorRT headers: TENSORRT_ROOT, or pip install kernel-lens"
)
def test_random_fields_and_shapes_of_tensorrts_plugins_run_or_are_refused(tmp_path: Path) -> None:
    patterns = [
        "tensorrt/*.cpp",
        "operators/*/tensorrt.cpp",
        "tests/plugins.cpp",
        "tests/fuzz_tensorrt.cpp",
    ]
    compile_program(
        patterns, tmp_path / "fuzz", "-isystem", str(headers()), "-I", str(ROOT / "csrc/shim")
    )
    for seed in range(3):
        run(tmp_path / "fuzz", "10000", str(seed))
