"""The parity ladder finds what was planted, and nothing where nothing was."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mapt.bench.parity.clips import open_clips
from mapt.bench.parity.measure import Parity, run_parity
from mapt.bench.parity.paired_backend import HeadGap, in_order_of
from mapt.bench.parity.report import parity_json
from mapt.contract import SUBGRAPHS
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.pretrained import shipped_weights
from mapt.metrics import Scores
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend, Tensors
from mapt.runtime.bundle.contents import sha256
from mapt.runtime.bundle.manifest import MANIFEST, read_bundle, seal

Run = Callable[..., Any]
FP32: dict[str, str] = {spec.name: "fp32" for spec in SUBGRAPHS}


@pytest.fixture(scope="module")
def torch_backend(bundle: Path) -> TorchBackend:
    return TorchBackend.load(bundle / "weights.safetensors", threads=1)


@pytest.fixture
def frames(street: Path) -> Path:
    """Six frames without labels."""
    return street / "training" / "image_02" / "0000"


def plant(source: Path, target: Path) -> None:
    """A copy of a graph with one weight tensor a thousandth larger."""
    model = onnx.load(source)
    filters = max(
        (t for t in model.graph.initializer if len(t.dims) == 4), key=lambda t: len(t.raw_data)
    )
    filters.CopyFrom(
        numpy_helper.from_array(numpy_helper.to_array(filters) * np.float32(1.001), filters.name)
    )
    onnx.save(model, target)


class Late:
    """A backend that answers as one does, and from some frame on as another."""

    def __init__(self, before: Backend, after: Backend, frame: int) -> None:
        self.before = before
        self.after = after
        self.frame = frame
        self.info = before.info
        self.name = "late"
        self.images: list[bytes] = []
        self.providers = before.providers

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if subgraph == "backbone" and inputs["image"].tobytes() not in self.images:
            self.images.append(inputs["image"].tobytes())
        return (self.after if len(self.images) > self.frame else self.before).run(subgraph, inputs)


def test_a_bundle_that_is_as_it_was_exported_has_no_fault(
    bundle: Path, street: Path, torch_backend: TorchBackend
) -> None:
    parity = run_parity(
        torch_backend, OrtBackend(read_bundle(bundle), 1), FP32, open_clips(street, 10.0)
    )
    assert parity.faults() == [] and parity.first is None
    # float32 sums differ in their last bits: a pixel on an edge may fall to either side, and of two
    # boxes of the same object with nearly equal scores the other may stay, which moves its edge.
    assert not any(gap.ids for gap in parity.frames)
    assert sum(gap.pixels for gap in parity.frames) < 200
    assert {
        name: head.calls > 0 and head.beyond == 0 for name, head in parity.heads.items()
    } == dict.fromkeys(FP32, True)
    assert [(s.frames, s.ids_differ, s.agreement.TQ) for s in parity.sequences] == [(6, 0, 1)] * 2
    assert [s.agreement.PAT for s in parity.sequences] == pytest.approx([1, 1], abs=1e-3)
    assert parity.scores and parity.scores[0].num_gt_tracks > 0
    assert [(s.PAT, s.IDS) for s in parity.scores[:1]] == [
        pytest.approx((s.PAT, s.IDS), abs=1e-3) for s in parity.scores[1:]
    ]
    for kind in (
        "top-k",
        "suppression",
        "suppression order",
        "detection score",
        "birth",
        "propagation",
    ):
        tally = parity.margins[kind]
        assert tally.total > tally.within[0] and list(tally.within) == sorted(tally.within), kind


@pytest.mark.parametrize(("head", "frame"), [("semantic", 2), ("instance", 0)])
def test_a_changed_weight_is_named_with_its_head_and_frame(
    bundle: Path, frames: Path, tmp_path: Path, torch_backend: TorchBackend, head: str, frame: int
) -> None:
    read = read_bundle(bundle)
    plant(read.graphs[head], tmp_path / "planted.onnx")
    changed = OrtBackend(replace(read, graphs={**read.graphs, head: tmp_path / "planted.onnx"}), 1)
    other = Late(OrtBackend(read, 1), changed, frame)
    parity = run_parity(torch_backend, other, FP32, open_clips(frames, 10.0))
    assert parity.first and (parity.first.head, parity.first.frame, parity.first.sequence) == (
        head,
        frame,
        "0000",
    )
    assert {name for name, gap in parity.heads.items() if gap.beyond} == {head}
    assert parity.heads[head].beyond == 6 - frame
    assert (
        f"{head} differs from PyTorch" in parity.faults()[0]
        and f"frame {frame} of 0000" in parity.faults()[0]
    )


def test_detections_that_change_places_are_compared_with_themselves() -> None:
    boxes = np.array([(0, 0, 9, 9), (50, 0, 60, 9), (0, 0, 9, 9), (0, 0, 0, 0)], np.float32)
    want: Tensors = {
        "boxes": boxes,
        "classes": np.array([13, 13, 11, 0], np.int32),
        "count": np.array([3], np.int32),
    }
    swapped = {**want, "boxes": boxes[[2, 0, 1, 3]], "classes": want["classes"][[2, 0, 1, 3]]}
    back, moved = in_order_of(want, swapped)
    assert moved and all(np.array_equal(back[name], want[name]) for name in want)
    assert in_order_of(want, want) == (want, False)
    fewer = {**swapped, "count": np.array([2], np.int32)}
    assert in_order_of(want, fewer) == (fewer, False)


def scored(pat: float, ids: int = 10) -> Scores:
    return Scores(pat, 0.5, 0.5, 0.5, 0.6, 0.5, 0.5, 0.5, ids, 100, 9)


def test_a_lower_precision_is_judged_by_the_task() -> None:
    heads = {name: HeadGap("int8") for name in FP32}
    parity = Parity("int8", heads, scores=(scored(0.5), scored(0.495)))
    assert parity.faults() == []
    assert Parity("int8", heads, scores=(scored(0.5), scored(0.48))).faults() == [
        "PAT falls by 0.0200, more than 0.01"
    ]
    assert (
        json.loads(json.dumps(parity_json(parity), allow_nan=False))["accuracy"]["bundle"]["PAT"]
        == 0.495
    )


def test_the_suite_compares_a_bundle_that_is_there(
    mapt: Run, bundle: Path, frames: Path, tmp_path: Path
) -> None:
    bad = shutil.copytree(bundle, tmp_path / "bad")
    report = tmp_path / "parity.json"
    plant(bundle / "semantic.onnx", bad / "semantic.onnx")
    manifest = json.loads((bad / MANIFEST).read_text())
    manifest["subgraphs"]["semantic"]["sha256"] = sha256(bad / "semantic.onnx")
    (bad / MANIFEST).write_text(seal(manifest))
    ran = mapt(
        "bench", bad, "--suite", "parity", "--data", frames, "--threads", 1, "--json", report
    )
    assert ran.code == 1 and ran.err.count("\n") == 1
    assert "semantic differs from PyTorch" in ran.err and "frame 0 of 0000" in ran.err
    assert "first divergence: semantic, frame 0 of 0000" in ran.out
    told = json.loads(report.read_text())
    assert (told["first_divergence"]["head"], told["first_divergence"]["frame"]) == ("semantic", 0)
    assert (
        told["heads"]["backbone"]["beyond"] == 0 and len(told["sequences"]) == 1 and told["faults"]
    )


def test_another_size_is_exported_checked_and_verified(
    mapt: Run, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    report = tmp_path / "parity.json"
    ran = mapt(
        "export",
        shipped_weights(),
        "--out",
        out,
        "--size",
        "90x300",
        "--verify",
        frames,
        "--json",
        report,
    )
    assert ran.code == 0 and "using 96x320" in ran.out, ran.err
    assert (read_bundle(out).info.height, read_bundle(out).info.width) == (96, 320)
    assert "identities and classes equal" in ran.out or "with other pixels" in ran.out
    assert (
        "no divergence" in ran.out
        and json.loads(report.read_text())["bundle"] == read_bundle(out).id
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--json", "x.json"), "--json: holds what --verify found; add --verify DATA"),
        (("--verify", "nowhere"), "nowhere: no such file or folder"),
    ],
)
def test_mistakes_are_said_before_the_work(
    mapt: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    ran = mapt("export", shipped_weights(), "--out", tmp_path / "bundle", *arguments)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "bundle").exists()
