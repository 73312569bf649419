"""The native core on a GPU's stand-in gives the CPU's frames, and copies what the host reads.

The stand-in (csrc/tests/standin) ends the process where the host touches the device's memory, and
does nothing before it is waited for.
"""

import functools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mapt.contract import BY_NAME, HOST_READS
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.native.library import find_onnxruntime
from tests.tools.native_build import ROOT, native_build

Told = dict[str, Any]
ERROR = 2  # of the driver, whose text is "out of memory"
SIZES = {"float32": 4, "int32": 4, "uint8": 1}


@functools.cache
def tracked(bundle: Path, device: str, *failing: str) -> Told:
    """What `tests.runtime.native.on_gpu` tells, in a process of its own."""
    build = native_build()
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(build / "standin"),
        "MAPT_STANDIN_ORT": str(find_onnxruntime()),
        "PYTHONPATH": str(ROOT),
    }
    module = ["-m", "tests.runtime.native.on_gpu"]
    ran = subprocess.run(
        [sys.executable, *module, str(build), str(bundle), device, *failing],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert ran.returncode == 0, ran.stderr
    told: Told = json.loads(ran.stdout)
    return told


def nbytes(bundle: Path, subgraph: str, name: str) -> int:
    """The bytes of an output, or else of an input."""
    spec = BY_NAME[subgraph]
    tensor = next(t for t in (*spec.outputs, *spec.inputs) if t.name == name)
    size = SIZES[tensor.dtype]
    for side in tensor.resolve(read_bundle(bundle).info.sizes):
        size *= side
    return size


def test_a_gpu_gives_the_frames_and_states_of_the_cpu(small_bundle: Path) -> None:
    found = tracked(small_bundle, "cuda")
    wanted = tracked(small_bundle, "cpu")
    assert found["provider"] == "CUDAExecutionProvider with CUDA graphs"
    assert wanted["provider"] == "CPUExecutionProvider"
    assert found["frames"] == wanted["frames"] and len(found["frames"]) == 4
    assert found["states"] == wanted["states"] and found["states"][-1] == found["states"][-2]
    assert not any(wanted["logs"]), "a CPU asked for nothing of a GPU"
    assert tracked(small_bundle, "auto")["provider"] == found["provider"]


def test_all_memory_is_planned_and_given_back(small_bundle: Path) -> None:
    found = tracked(small_bundle, "cuda")
    assert "allocate" in found["opening"]
    assert not any("allocate" in log for log in found["logs"])
    assert found["alive"] == 0


def test_only_what_the_host_reads_leaves_the_device(small_bundle: Path) -> None:
    row = 4 * read_bundle(small_bundle).info.width // 4  # bytes of a row of logits
    for log in tracked(small_bundle, "cuda")["logs"]:
        launches = [line for line in log if line.startswith("launch")]
        heads = len(launches) - 3  # calls of motion and appearance
        assert heads >= 2
        end = [place for place, line in enumerate(log) if line == "wait"][2]
        up = Counter(int(line.split()[1]) for line in log if line.startswith("upload"))
        down = [int(line.split()[1]) for line in log[:end] if line.startswith("download")]
        wanted = Counter(
            nbytes(small_bundle, subgraph, name)
            for subgraph in ("semantic", "instance", "motion", "appearance")
            for name in HOST_READS[subgraph]
        )
        assert Counter(down) == wanted
        assert up == Counter(
            [
                nbytes(small_bundle, "backbone", "image"),
                nbytes(small_bundle, "motion", "masks_prev"),
                *[nbytes(small_bundle, "motion", "rows")] * heads,
            ]
        )
        assert log.count("wait") <= 4  # one for the logits, in some frames
        rest = [int(line.split()[1]) for line in log[end + 1 :] if line.startswith("download")]
        assert all(size % row == 0 for size in rest)
        assert sum(rest) < nbytes(small_bundle, "semantic", "logits") // 4


def test_subgraphs_without_control_flow_are_captured(small_bundle: Path) -> None:
    last = tracked(small_bundle, "cuda")["logs"][-1]
    launches = [line.removeprefix("launch ") for line in last if line.startswith("launch")]
    assert launches[0] == "captured" and launches[2] == "plain", "the instance head has a loop"


@pytest.mark.parametrize(
    "function", ["cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuStreamSynchronize"]
)
def test_an_error_of_cuda_drops_the_frame_and_keeps_the_state(
    small_bundle: Path, function: str
) -> None:
    found = tracked(small_bundle, "cuda", f"{function}={ERROR}")
    first, *others = found["frames"]
    assert first == tracked(small_bundle, "cpu")["frames"][0]
    name = function.removesuffix("_v2")
    assert len(set(found["states"])) == 1
    assert set(others) == {f"BackendError: {name}: out of memory; frame dropped"}


@pytest.mark.parametrize("function", ["cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate"])
def test_a_gpu_that_fails_is_told_in_a_line(small_bundle: Path, function: str) -> None:
    found = tracked(small_bundle, "cuda", f"open:{function}={ERROR}")
    assert f"{function.removesuffix('_v2')}: out of memory" in found["error"]
    assert found["error"].endswith("or take device 'cpu'")


def test_without_a_gpu_a_cpu_runs_and_says_why(small_bundle: Path) -> None:
    found = tracked(small_bundle, "auto", f"open:cuDeviceGetCount={ERROR}")
    reason = "NVIDIA's driver gives no GPU (out of memory)"
    assert found["said"] == [f"the CPU runs the network, CUDA cannot: {reason}"]
    assert found["provider"] == "CPUExecutionProvider"
    found = tracked(small_bundle, "cuda", f"open:cuDeviceGetCount={ERROR}")
    assert found["error"] == f"device 'cuda': {reason}; or take device 'cpu'"
