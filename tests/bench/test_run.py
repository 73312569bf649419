import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapt.bench.run import RunResult, run_backends
from mapt.bench.terms import mean_and_spread
from mapt.runtime.backend import Tensors
from mapt.runtime.bundle import read_bundle
from mapt.runtime.ort import OrtBackend


class Tampered:
    """A backend that answers as another one does, until its instance head loses every detection for a while."""

    def __init__(self, inner: OrtBackend, blind: range) -> None:
        self.inner, self.info, self.name, self.blind, self.frame = inner, inner.info, "tampered", blind, -1

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        out = self.inner.run(subgraph, inputs)
        if subgraph == "backbone":
            self.frame += 1
        if subgraph == "instance" and self.frame in self.blind:
            out["count"] = np.zeros_like(out["count"])
        return out


@pytest.fixture
def ort(bundle: Path) -> OrtBackend:
    """The shipped network, one thread."""
    return OrtBackend(read_bundle(bundle), threads=1)


def test_a_lost_frame_is_reported_with_place_and_margin(ort: OrtBackend, street: Path) -> None:
    result = run_backends([ort, Tampered(ort, range(3, 5))], street, "val", 10.0)
    assert result.frames == 12
    first = result.differences[0]
    assert (first.backend, first.sequence) == ("tampered", "0000") and first.frame in (3, 4)
    assert first.pixels > 0 and first.margin >= 0
    assert result.scores["tampered"].TQ != result.scores[ort.name].TQ


def test_a_backend_equals_itself_and_every_stage_is_timed(ort: OrtBackend, street: Path) -> None:
    result = run_backends([ort, Tampered(ort, range(0))], street, "val", 10.0, warmup=2, limit=4)
    assert result.differences == [] and result.frames == 8
    for stages in result.latency().values():
        assert {"preprocess", "backbone", "semantic", "instance", "fusion", "networks", "frame"} <= set(stages)
        assert stages["networks"]["p50"] < stages["frame"]["p50"]
        assert stages["frame"]["p50"] <= stages["frame"]["p95"] <= stages["frame"]["max"]


def test_quantiles_are_of_the_kept_times() -> None:
    result = RunResult(timings={"a": {"frame": [float(v) for v in range(1, 102)]}})
    assert result.latency()["a"]["frame"] == {"p50": 51.0, "p95": 96.0, "p99": 100.0, "max": 101.0}


def test_undefined_scores_count_as_zero() -> None:
    assert mean_and_spread([0.5, None]) == pytest.approx((0.25, 0.35355), abs=1e-5)
    assert mean_and_spread([0.3]) == (0.3, 0.0)


def test_the_command_writes_the_documented_json(mapt: Callable[..., Any], bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    ran = mapt("bench", bundle, "--sequences", 1, "--frames", 5, "--threads", 1, "--json", path)
    assert ran.code == 0, ran.err
    report = json.loads(path.read_text())
    assert {"machine", "bundle", "heads", "latency_ms", "accuracy"} <= set(report)
    assert {"backbone", "semantic", "instance", "motion", "appearance"} <= set(report["heads"])
    assert all({"params", "flops"} <= set(head) for head in report["heads"].values())
    assert set(report["latency_ms"]) == set(report["accuracy"]) == {"torch", "torch-best", "ort"}
    assert report["data"]["frames"] == 5 and report["data"]["seeds"] == [7]
    assert all(cost["agree"] for cost in report["operators"].values())
    rows = report["backends"]
    assert {n for n, row in rows.items() if row["proof"] == "proven here"} == {"torch", "torch-best", "ort"}
    assert rows["tensorrt"]["proof"] == "unproven" and "TensorRT" in rows["tensorrt"]["why"]
    assert rows["ort"]["frames_per_second"] > 0 and 50 < rows["ort"]["peak_mib"] < rows["torch"]["peak_mib"]
    assert 0 < rows["ort"]["gemm_share"]["backbone"] < 5
    samples = report["samples_ms"]["ort"]["frame"]
    assert len(samples) == len(report["yardstick_ms"]) == 2 and np.median(samples) < 1e4
    assert len(report["labels"]["ort"]["0000"]) == 5
    assert set(report["latency_ms"]["ort"]["frame"]) == {"p50", "p95", "p99", "max"}
    assert {"PAT", "PQ", "TQ", "STQ", "IDS"} <= set(report["accuracy"]["ort"])
    assert "identities equal in all 5 frames" in ran.out


def test_two_bundles_are_measured_in_one_run(mapt: Callable[..., Any], bundle: Path, tmp_path: Path) -> None:
    path, other = tmp_path / "bench.json", shutil.copytree(bundle, tmp_path / "other")
    frames = ("--sequences", 1, "--frames", 4, "--size", "48x144", "--threads", 1, "--no-alone")
    ran = mapt("bench", bundle, "--beside", other, *frames, "--json", path)
    assert ran.code == 0, ran.err
    report = json.loads(path.read_text())
    assert set(report["latency_ms"]) == set(report["accuracy"]) == {"torch", "torch-best", bundle.name, "other"}
    assert report["data"]["size"] == [48, 144] and "48x144" in ran.out
    ran = mapt("bench", bundle, "--beside", bundle, *frames)
    assert ran.code == 2 and "two bundles are called the same" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--suite", "fast"), "--suite fast: unknown"),
        (("--seeds", "a"), "--seeds a: is not a list"),
        (("--size", "64"), "--size 64: is not HEIGHTxWIDTH"),
        (("--size", "64x96", "--data", "."), "--size: is for synthetic frames"),
        (("--suite", "deadline", "--beside", "b"), "--beside: is for --suite run, ablation and all, not deadline"),
        (("--suite", "deadline", "--compare", "b"), "--compare: is for --suite run and all, not deadline"),
        (("--data", "nowhere"), "nowhere/panoptic_maps/val: no such folder"),
    ],
)
def test_mistakes_are_one_line(mapt: Callable[..., Any], bundle: Path, arguments: tuple[str, ...], words: str) -> None:
    ran = mapt("bench", bundle, *arguments)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1
