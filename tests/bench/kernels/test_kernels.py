import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mapt import ops
from mapt.bench.kernels import operators as kernels
from mapt.bench.kernels import training as kernel_training
from mapt.bench.kernels.busy import busy_processes
from mapt.bench.kernels.case import Case
from mapt.bench.kernels.cases import convolution_case, roi_cases
from mapt.ops import compiled
from mapt.training.config import find_config, read_config


def cpu_seconds(process: int) -> float:
    """The processor time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_medians_of_interleaved_rounds() -> None:
    calls: list[str] = []
    case = Case(
        "work", lambda: calls.append("ours"), {"theirs": lambda: calls.append("theirs")}, 2e6, 1e3
    )
    kernels.fill_in([case], 3, busy=0)
    assert not case.busy_seconds
    assert set(case.seconds) == {"ours", "theirs"} and all(s > 0 for s in case.seconds.values())
    assert calls.count("ours") > 4 and calls.count("theirs") > 4
    assert kernels.Bounds(1e9, 1e9).seconds(case) == pytest.approx(
        2e-3
    )  # arithmetic takes longer than memory


@pytest.mark.skipif(bool(compiled.MISSING), reason="no compiled operators")
def test_the_contenders_compute_the_same() -> None:
    """torchvision's, ONNX Runtime's and ours, on the convolution and on RoIAlign."""
    torch.manual_seed(0)
    with torch.no_grad():
        for case in (convolution_case(1), roi_cases(1)[1]):
            ours = case.ours()
            assert isinstance(ours, torch.Tensor)
            exported = np.asarray(case.others["ONNX Runtime"]()[0])  # type: ignore[index]
            torch.testing.assert_close(ours, torch.from_numpy(exported), rtol=1e-3, atol=1e-3)
            if "deform" in case.name:  # MultiScaleRoIAlign is not aligned
                torch.testing.assert_close(ours, case.others["torchvision"](), rtol=1e-4, atol=1e-4)


def test_the_report_names_the_machine(tmp_path: Path) -> None:
    case = Case(
        "work",
        lambda: None,
        {"torchvision": lambda: None},
        1.0,
        1.0,
        {"ours": 1.0, "torchvision": 9.0},
        {"ours": 1.5, "torchvision": 27.0},
    )
    path = tmp_path / "kernels.json"
    path.write_text(json.dumps(kernels.report([case], kernels.Bounds(2.0, 4.0), 2, 1)))
    content = json.loads(path.read_text())
    assert content["implementation"] == ops.implementation() and content["machine"][
        "gflops"
    ] == pytest.approx(2e-9)
    assert (
        content["cases"][0]["times"] == {"torchvision": 9.0} and content["cases"][0]["share"] == 0.5
    )
    assert content["cases"][0]["slowdowns"] == {"ours": 1.5, "torchvision": 3.0}


def test_busy_processes_compute_until_the_block_ends() -> None:
    case = Case("work", lambda: sum(range(10_000)), {}, 1.0, 1.0)
    kernels.fill_in([case], 1, busy=1)
    assert case.busy_seconds["ours"] > 0
    with busy_processes(2) as numbers:
        assert len(set(numbers)) == 2
        begin = [cpu_seconds(number) for number in numbers]
        deadline = time.monotonic() + 30
        while any(cpu_seconds(n) < b + 0.05 for n, b in zip(numbers, begin, strict=True)):
            assert time.monotonic() < deadline, "a busy process does not compute"
            time.sleep(0.05)
    assert not any(Path(f"/proc/{number}").exists() for number in numbers)


def test_copies_train_alike_for_a_step(tmp_path: Path) -> None:
    changes = [
        "model.height=64",
        "model.width=128",
        "data.synthetic_small.sequences=0",
        "data.synthetic.sequences=1",
        "data.synthetic.frames=4",
    ]
    changes += [
        "data.workers=0",
        "threads=1",
        "schedule.iterations=2",
        "schedule.batch=1",
        "imagenet=false",
    ]
    config = read_config(find_config("nano-street"), changes)
    steps = kernel_training.compare(config, tmp_path, double=False)
    assert set(steps) == set(kernel_training.COPIES) and all(len(of) == 2 for of in steps.values())
    assert kernel_training.drift(steps, "compiled")[0] < 1e-5
