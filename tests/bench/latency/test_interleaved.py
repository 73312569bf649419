import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console

from mapt.bench import suites
from mapt.bench.costs.counts import HeadCost
from mapt.bench.costs.roofline import Limits
from mapt.bench.latency.backend_variants import BackendVariant
from mapt.bench.latency.interleaved import RunResult, run_backends
from mapt.bench.latency.isolated import measure_alone
from mapt.bench.measure import describe
from mapt.bench.report.bench_report import Costs
from mapt.bench.report.constants import mean_and_spread
from mapt.bench.suites import Setting
from mapt.data.datasets.kitti_step import list_sequences, read_labelled
from mapt.errors import InputError
from mapt.labels.class_sets import KITTI_STEP, MOTCHALLENGE_STEP
from mapt.labels.step_png import read_step, write_step
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.bundle.manifest import MANIFEST, read_bundle, seal


class Tampered:
    """A backend that answers like another one, but loses every detection for a while.

    The detections of its instance head are lost.
    """

    def __init__(self, inner: OrtBackend, blind: range) -> None:
        self.inner = inner
        self.info = inner.info
        self.name = "tampered"
        self.blind = blind
        self.frame = -1
        self.providers = inner.providers

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
        assert {
            "preprocess",
            "backbone",
            "semantic",
            "instance",
            "fusion",
            "networks",
            "frame",
        } <= set(stages)
        assert stages["networks"]["p50"] < stages["frame"]["p50"]
        assert stages["frame"]["p50"] <= stages["frame"]["p95"] <= stages["frame"]["max"]


def test_quantiles_are_of_the_kept_times() -> None:
    result = RunResult(timings={"a": {"frame": [float(v) for v in range(1, 102)]}})
    assert result.latency()["a"]["frame"] == {"p50": 51.0, "p95": 96.0, "p99": 100.0, "max": 101.0}


def test_undefined_scores_count_as_zero() -> None:
    assert mean_and_spread([0.5, None]) == pytest.approx((0.25, 0.35355), abs=1e-5)
    assert mean_and_spread([0.3]) == (0.3, 0.0)


def test_the_command_writes_the_documented_json(
    mapt: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
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
    assert {n for n, row in rows.items() if row["proof"] == "proven here"} == {
        "torch",
        "torch-best",
        "ort",
    }
    assert rows["tensorrt"]["proof"] == "unproven" and "TensorRT" in rows["tensorrt"]["why"]
    assert (
        rows["ort"]["frames_per_second"] > 0
        and 50 < rows["ort"]["peak_mib"] < rows["torch"]["peak_mib"]
    )
    assert rows["ort"]["gemm_share"]["backbone"] > 0
    samples = report["samples_ms"]["ort"]["frame"]
    assert len(samples) == len(report["yardstick_ms"]) == 2 and min(samples) > 0
    assert len(report["labels"]["ort"]["0000"]) == 5
    assert set(report["latency_ms"]["ort"]["frame"]) == {"p50", "p95", "p99", "max"}
    assert {"PAT", "PQ", "TQ", "STQ", "IDS"} <= set(report["accuracy"]["ort"])
    assert "identities equal in all 5 frames" in ran.out


def test_two_bundles_are_measured_in_one_run(
    mapt: Callable[..., Any], bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bench.json"
    other = shutil.copytree(bundle, tmp_path / "other")
    frames = ("--sequences", 1, "--frames", 4, "--size", "48x144", "--threads", 1, "--no-alone")
    ran = mapt("bench", bundle, "--beside", other, *frames, "--json", path)
    assert ran.code == 0, ran.err
    report = json.loads(path.read_text())
    assert (
        set(report["latency_ms"])
        == set(report["accuracy"])
        == {"torch", "torch-best", bundle.name, "other"}
    )
    assert report["data"]["size"] == [48, 144] and "48x144" in ran.out
    ran = mapt("bench", bundle, "--beside", bundle, *frames)
    assert ran.code == 2 and "two bundles are called the same" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--suite", "fast"), "--suite fast: unknown"),
        (("--seeds", "a"), "--seeds a: is not a list"),
        (("--seeds", "7,-1"), "--seeds 7,-1: is not a list of whole numbers from 0 on"),
        (
            ("--seeds", "7,8"),
            "--seeds 7,8: several are for --suite ablation and all, not run; give one",
        ),
        (("--seeds", "0", "--data", "."), "--seeds: is for synthetic frames"),
        (("--frames", "8", "--data", "."), "--frames: is for synthetic frames"),
        (("--json", "."), "--json .: is a folder"),
        (("--html", "."), "--html .: is a folder"),
        (("--size", "64"), "--size 64: is not HEIGHTxWIDTH"),
        (("--size", "64x96", "--data", "."), "--size: is for synthetic frames"),
        (
            ("--suite", "deadline", "--beside", "b"),
            "--beside: is for --suite run, ablation and all, not deadline",
        ),
        (
            ("--suite", "deadline", "--compare", "b"),
            "--compare: is for --suite run and all, not deadline",
        ),
        (("--data", "nowhere"), "nowhere/panoptic_maps/val: no such folder"),
    ],
)
def test_mistakes_are_one_line(
    mapt: Callable[..., Any], bundle: Path, arguments: tuple[str, ...], words: str
) -> None:
    ran = mapt("bench", bundle, *arguments)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1


def test_a_missing_package_of_the_report_is_said_before_the_work(
    mapt: Callable[..., Any], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mapt.bench.report.page.html", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ran = mapt("bench", bundle, "--html", tmp_path / "out.html")
    assert ran.code == 2 and "mapt[cpu]" in ran.err and "synthetic" not in ran.out


def test_only_the_ablation_names_seeds_that_the_rest_did_not_see(
    bundle: Path, street: Path
) -> None:
    def seeds(suite: str, roots: dict[int | None, Path]) -> Any:
        setting = Setting(Console(), read_bundle(bundle), roots, 10.0, 1)
        return describe(suite, setting).data["seeds"]

    assert seeds("all", {7: street, 8: street}) == [7] and seeds(
        "ablation", {7: street, 8: street}
    ) == [7, 8]
    assert seeds("run", {0: street}) == [0] and seeds("run", {None: street}) == []


def test_labels_are_read_with_the_time_of_their_number_and_bad_ones_are_named(
    street: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(street, tmp_path / "street")
    image, label = (root / part / "0000" for part in ("training/image_02", "panoptic_maps/val"))
    (label / "000001.png").unlink()
    sequence = list_sequences(root, "val")[0]
    frames = list(read_labelled(sequence, 10.0, KITTI_STEP))
    assert [stamp for _, _, stamp in frames] == [n * 100_000_000 for n in (0, 2, 3, 4, 5)]
    assert frames[1][0].shape == (192, 624, 3) and np.array_equal(
        frames[1][1][1], read_step(label / "000002.png")[1]
    )
    with pytest.raises(
        InputError, match=r"000000\.png: has class \d+, motchallenge-step knows 0\.\.6"
    ):
        list(read_labelled(sequence, 10.0, MOTCHALLENGE_STEP))
    write_step(label / "000002.png", np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.int32))
    with pytest.raises(
        InputError, match=r"000002\.png: label \(8, 8\) and image \(192, 624\) differ"
    ):
        list(read_labelled(sequence, 10.0, KITTI_STEP))
    for folder in (image, label):
        (folder / "000000.png").rename(folder / "first.png")
        (folder / "000002.png").unlink()
    with pytest.raises(InputError, match=r"first\.png: is not named by its frame's number"):
        list(read_labelled(list_sequences(root, "val")[0], 10.0, KITTI_STEP))


def test_a_network_of_other_classes_is_scored_by_its_own(
    mapt: Callable[..., Any], bundle: Path, ort: OrtBackend, street: Path, tmp_path: Path
) -> None:
    names = MOTCHALLENGE_STEP
    sizes = {**ort.info.sizes, "K": len(names.classes), "T": len(names.things)}
    seven = replace(ort.info, classes=names.classes, things=names.things, sizes=sizes)
    other = SimpleNamespace(name="seven", info=seven, run=ort.run, providers=ort.providers)
    with pytest.raises(InputError, match=r"has class \d+, motchallenge-step knows 0\.\.6"):
        run_backends([other], street, "val", 10.0)
    folder = shutil.copytree(bundle, tmp_path / "seven")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["classes"] = list(seven.classes)
    manifest["things"] = list(seven.things)
    manifest["sizes"] |= {"K": len(seven.classes), "T": len(seven.things)}
    (folder / MANIFEST).write_text(seal(manifest))
    ran = mapt("bench", folder)
    assert (
        ran.code == 2
        and "--data: the network has 7 classes, synthetic streets have Cityscapes' 19" in ran.err
    )


def test_a_process_of_its_own_that_fails_says_why(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"nowhere: no such file or folder"):
        measure_alone("ort", bundle, tmp_path / "nowhere", 1)


def test_a_process_of_its_own_that_hangs_is_ended(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mapt.bench.latency.isolated.LIMIT", 0.001)
    with pytest.raises(RuntimeError, match=r"no answer in 0\.001 s"):
        measure_alone("ort", bundle, tmp_path, 1)


def test_a_row_says_why_memory_is_missing_and_limits_are_of_as_many_threads(
    bundle: Path, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> Any:
        raise RuntimeError("killed")

    threads = torch.get_num_threads()
    seen: list[int] = []

    def limits() -> Limits:
        seen.append(torch.get_num_threads())
        return Limits(1e11, 1e10)

    monkeypatch.setattr(suites, "measure_limits", limits)
    monkeypatch.setattr(suites, "count_costs", lambda _: Costs({}, {}, HeadCost(1, 1, 0)))
    monkeypatch.setattr(suites, "gemm_shares", lambda *_: {})
    monkeypatch.setattr(suites, "measure_alone", fail)
    monkeypatch.setattr(
        suites, "list_contenders", lambda bundle, *_: [BackendVariant("ort", "ort", bundle)]
    )
    setting = Setting(Console(), read_bundle(bundle), {None: street}, 10.0, threads + 1)
    try:
        found: Any = suites.run_suite(setting)
    finally:
        torch.set_num_threads(threads)
    assert seen == [threads + 1]
    row = found["backends"]["ort"]
    assert (
        row["proof"] == "proven here"
        and row["why"].endswith("failed: killed")
        and "peak_mib" not in row
    )
