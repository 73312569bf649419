"""Engines built without a GPU by TensorRT-RTX.

The tests build every subgraph for every target, and check what happens when one cannot be built.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from mapt.contract import SUBGRAPHS
from mapt.doctor.bundle import examine_bundle, find_platform, obstacles
from mapt.errors import InputError
from mapt.export.bundle.writer import Request, export_bundle
from mapt.export.tensorrt.engines import build_engines, find_targets
from mapt.io.pretrained import shipped_weights
from mapt.runtime.backends.tensorrt_library import RTX_TARGETS
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.bundle.requirements import runnable_here
from tests.export.conftest import has_tensorrt

needs_tensorrt = pytest.mark.skipif(
    not has_tensorrt(), reason="needs TensorRT-RTX: pip install 'mapt[trt-rtx]'"
)
Run = Callable[..., Any]


@needs_tensorrt
def test_every_subgraph_builds_for_every_target(gridsample: Path) -> None:
    engines = read_bundle(gridsample).engines
    assert list(engines) == sorted(RTX_TARGETS)
    for target, own in engines.items():
        assert sorted(own) == sorted(s.name for s in SUBGRAPHS)
        for name, engine in own.items():
            assert engine.path == gridsample / "engines" / target / f"{name}.engine"
            assert engine.path.stat().st_size > 100_000
            assert engine.status == "built" and engine.library.startswith("tensorrt_rtx ")
            assert not {"PLUGIN", "PLUGIN_V2", "PLUGIN_V3"} & set(engine.layers)
    assert set(engines["sm86"]["backbone"].layers["CONVOLUTION"]) == {"FLOAT"}
    assert "GRID_SAMPLE" in engines["sm86"]["motion"].layers
    assert "MATRIX_MULTIPLY" not in engines["sm75"]["instance"].layers


@needs_tensorrt
@pytest.mark.parametrize("target", ["sm86", "sm120"])
def test_building_again_gives_the_same_bytes(
    gridsample: Path, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Building an engine again gives the same bytes.

    The folder and the environment differ, which moves what TensorRT sorts by address.
    """
    bundle = read_bundle(gridsample)
    for length in (1, 481, 1200):
        monkeypatch.setenv("MAPT_TEST_PADDING", "x" * length)
        folder = tmp_path / ("y" * (1 + length // 10))
        folder.mkdir()
        graphs = {}
        for name in ("motion", "instance"):
            graphs[name] = folder / f"{name}.onnx"
            shutil.copy(bundle.graphs[name], graphs[name])
        for engine in build_engines(graphs, folder, target):
            digests = [
                hashlib.sha256((root / engine.file).read_bytes()).digest()
                for root in (folder, gridsample)
            ]
            assert digests[0] == digests[1], engine.file


@needs_tensorrt
def test_a_graph_that_does_not_parse_is_named(tmp_path: Path) -> None:
    """RoiAlign's plugin asks for a GPU when it is made: what the standard lowering would meet."""
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"]), helper.make_node("Nonsense", ["y"], ["z"])],
        "bad",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("z", TensorProto.INT64, [2, 6])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "bad.onnx"
    )
    with pytest.raises(RuntimeError, match=r"^motion for sm86: TensorRT cannot parse "):
        build_engines({"motion": tmp_path / "bad.onnx"}, tmp_path, "sm86")
    lines: list[tuple[str, str]] = []
    graphs = {"motion": tmp_path / "bad.onnx"}
    assert build_engines(graphs, tmp_path, "sm86", refused=lambda *told: lines.append(told)) == []
    ((name, line),) = lines
    assert (
        name == "motion"
        and line.startswith("motion for sm86: TensorRT cannot parse ")
        and "\n" not in line
    )


@needs_tensorrt
def test_an_unknown_target_is_refused_before_any_work(mapt: Run, tmp_path: Path) -> None:
    library, possible = find_targets()
    assert library.startswith("tensorrt_rtx") and possible == RTX_TARGETS
    assert "sm80" not in possible and "sm90" not in possible
    for wrong in ("sm52", "sm80", "sm90"):  # TensorRT-RTX names SM80, and does not run there
        ran = mapt(
            "export",
            shipped_weights(),
            "--out",
            tmp_path / "b",
            "--trt",
            "--targets",
            f"sm86,{wrong}",
        )
        assert ran.code == 2 and ran.err.count("\n") == 1
        assert ran.err.startswith(f"mapt: --targets {wrong}: tensorrt_rtx ")
        assert ", ".join(RTX_TARGETS) in ran.err and "mapt[trt] on such a GPU" in ran.err
        assert not (tmp_path / "b").exists()


@needs_tensorrt
def test_the_preflight_has_a_verdict_on_every_engine(gridsample: Path) -> None:
    here = find_platform()
    found = {f.what: f for f in examine_bundle(gridsample) if "engines" in f.what}
    assert list(found) == [f"engines {target}" for target in sorted(RTX_TARGETS)]
    for target, finding in found.items():
        assert all(spec.name in finding.detail for spec in SUBGRAPHS)
        loads = not obstacles(
            next(iter(read_bundle(gridsample).engines["sm86"].values())),
            target.removeprefix("engines "),
            here,
        )
        assert (finding.state == "ok") == loads
        if here.target is None:
            assert "will not load: no NVIDIA GPU and driver here" in finding.detail


def test_targets_need_engines(mapt: Run, tmp_path: Path) -> None:
    ran = mapt("export", shipped_weights(), "--out", tmp_path / "b", "--targets", "sm86")
    assert ran.code == 2 and "add --trt" in ran.err


def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Let a shell script stand in for the child's Python."""
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))


def test_without_tensorrt_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "echo 'error: tensorrt: No module named tensorrt' >&2\nexit 3")
    with pytest.raises(
        InputError, match=r"no TensorRT here \(tensorrt: No module.*install mapt\[trt-rtx\]"
    ):
        export_bundle(
            shipped_weights(), tmp_path / "b", Request(lowering=runnable_here(), targets=())
        )
    assert not (tmp_path / "b").exists()


def test_a_process_that_dies_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As TensorRT-RTX does over a node of a domain that it does not know."""
    stand_in(monkeypatch, tmp_path, "kill -ABRT $$")
    with pytest.raises(
        RuntimeError, match=r"motion for sm86: TensorRT ended its process with code -6"
    ):
        build_engines({"motion": tmp_path / "bad.onnx"}, tmp_path, "sm86")


def test_the_manifest_says_what_was_proven(gridsample: Path) -> None:
    manifest = json.loads((gridsample / "manifest.json").read_text())
    assert {e["status"] for own in manifest["engines"].values() for e in own.values()} <= {"built"}
