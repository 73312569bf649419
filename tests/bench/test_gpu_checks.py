"""The checks of `python -m mapt.bench.gpu`, rehearsed on the CPU: that each runs, and that each finds what is wrong."""

from pathlib import Path

import pytest
import torch

from mapt.bench.gpu import operators, speed
from mapt.bench.gpu.context import Context
from mapt.ops import compiled

needs_compiled = pytest.mark.skipif(bool(compiled.MISSING), reason=f"no compiled operators: {compiled.MISSING}")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context("cpu", True, tmp_path)


@needs_compiled
def test_operators_equal_themselves(context: Context) -> None:
    found = operators.equal(context)
    assert not found.faults and found.values["compared"] == 4 * (sum(operators_results()))
    assert not operators.same_bits(context).faults


def operators_results() -> list[int]:
    return [len(work("cpu")) for _, _, work in operators.works((torch.float32,))]


@needs_compiled
def test_operators_that_differ_are_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = operators.ops.deform_conv2d
    calls = []

    def wrong(*arguments: torch.Tensor, **more: int) -> torch.Tensor:
        calls.append(0)
        return genuine(*arguments, **more) * (1 + 1e-3 * len(calls))

    monkeypatch.setattr(operators.ops, "deform_conv2d", wrong)
    assert any("deform_conv2d 0 float32, result 0" in f for f in operators.equal(context).faults)
    assert any("other bits" in fault for fault in operators.same_bits(context).faults)


@needs_compiled
def test_operators_pass_pytorchs_checks_and_are_captured(context: Context) -> None:
    for found in (operators.opcheck(context), operators.graphs(context)):
        assert not found.faults and found.line.startswith("12 of 12")


def test_operators_that_are_not_built_are_a_failure(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MISSING", "no reason")
    with pytest.raises(RuntimeError, match="the operators for cpu are not there: no reason"):
        operators.equal(context)


@needs_compiled
@pytest.mark.parametrize(("said", "faults"), [("ERROR SUMMARY: 0 errors", 0), ("ERROR SUMMARY: 2 errors", 1)])
def test_memcheck_reads_the_summary(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, faults: int
) -> None:
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(f'#!/bin/sh\nshift 2\n"$@" || exit 9\necho "========= {said}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = operators.memcheck(context)
    assert len(found.faults) >= faults and bool(found.faults) == bool(faults) and found.line == said


@needs_compiled
def test_speeds_are_a_table(context: Context) -> None:
    for found, count in ((speed.forward(context), 7), (speed.backward(context), 1)):
        assert not found.faults and len(found.rows) == 1 + count
        for case in found.values["cases"]:  # type: ignore[attr-defined]
            assert case["us"]["ours"] > 0 and case["graphed_us"]["ours"] > 0 and case["floor_us"] > 0
