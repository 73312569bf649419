"""The custom lowering: MAPT's own nodes in the graphs, its own library under them."""

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnxruntime.quantization import quantize_static

from mapt.bench.latency.interleaved import run_backends
from mapt.contract import BY_NAME, SUBGRAPHS
from mapt.errors import InputError
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.bundle.compare_outputs import compare
from mapt.export.precision.fp16 import to_half
from mapt.export.precision.int8 import _check_quantizer, _standard, quantize
from mapt.io.image_files import read_rgb
from mapt.io.pretrained import shipped_weights
from mapt.ops.nodes import DOMAIN, VERSION
from mapt.runtime import PanopticTracker
from mapt.runtime.backends import operators
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend, Tensors
from mapt.runtime.bundle.manifest import read_bundle, seal
from mapt.runtime.perception.self_test import difference
from tests.runtime.backends.test_operators import needs_library
from tests.tools.once import exported

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights with MAPT's own operators."""
    return exported(tmp_path_factory, "custom")


@needs_library
def test_labels_are_ranked_channels_last_and_stay_the_same(custom: Path, bundle: Path) -> None:
    ranks = {}
    for folder in (custom, bundle):
        (node,) = (
            n for n in onnx.load(folder / "semantic.onnx").graph.node if n.op_type == "ArgMax"
        )
        ranks[folder] = next(a.i for a in node.attribute if a.name == "axis")
    assert ranks == {custom: 3, bundle: 1}
    rng = np.random.default_rng(0)
    shapes = {t.name: t.resolve(read_bundle(custom).info.sizes) for t in BY_NAME["semantic"].inputs}
    inputs = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    fast, plain = (
        OrtBackend(read_bundle(f), threads=1).run("semantic", inputs) for f in (custom, bundle)
    )
    assert len(np.unique(plain["labels"])) > 5
    assert np.array_equal(fast["labels"], plain["labels"])


@needs_library
def test_the_graphs_hold_the_operators_and_the_manifest_says_so(custom: Path, bundle: Path) -> None:
    kinds = {}
    for spec in SUBGRAPHS:
        model = onnx.load(custom / f"{spec.name}.onnx")
        kinds[spec.name] = sorted(n.op_type for n in model.graph.node if n.domain == DOMAIN)
        others = {"DeformConv", "RoiAlign", "GridSample", "Loop"}
        assert not {n.op_type for n in model.graph.node} & others
        assert {o.version for o in model.opset_import if o.domain == DOMAIN} <= {VERSION}
        own = {name for n in model.graph.node if n.domain == DOMAIN for name in n.output}
        stated = {v.name for v in (*model.graph.value_info, *model.graph.output)}
        assert own <= stated, "no runtime can infer the shapes of these values"
    assert kinds == {
        "backbone": [],
        "semantic": [],
        "instance": ["GreedyKeep"] * 2 + ["MultiscaleRoiAlign"] * 2,
        "motion": ["PropagateMasks", "PropagatedFeatures"],
        "appearance": ["MultiscaleRoiAlign"],
    }
    assert (
        read_bundle(custom).operators == {DOMAIN: VERSION} and read_bundle(bundle).operators == {}
    )


@needs_library
@pytest.mark.parametrize("name", BY_NAME)
def test_fp16_leaves_coordinates_ranking_and_suppression_in_float32(
    custom: Path, name: str
) -> None:
    """For CUDA and TensorRT the graph states every type, so nothing else decides it."""
    model = onnx.load(custom / f"{name}.onnx")
    chosen = to_half(model)
    onnx.checker.check_model(model, full_check=True)
    constants = {t.name for t in model.graph.initializer}
    decides = {"TopK", "Greater", "Sigmoid", "Softmax", "Exp", "Div", "Min", "Max", "ArgMax"}
    decided = [n for n in model.graph.node if n.domain == DOMAIN or n.op_type in decides]
    read = {value for node in decided for value in node.input}
    half = {value for node in chosen for value in node.output}
    assert half and not half & read
    # A grid of coordinates would be a constant that something is added to.
    sums = [n for n in chosen if n.op_type == "Add"]
    assert not {value for node in sums for value in node.input} & constants
    values = (*model.graph.input, *model.graph.output)
    assert TensorProto.FLOAT16 not in {v.type.tensor_type.elem_type for v in values}


@needs_library
def test_every_subgraph_equals_pytorch(custom: Path) -> None:
    reference = TorchBackend.load(custom / "weights.safetensors")
    found = compare(reference, OrtBackend(read_bundle(custom), threads=1))
    assert [d.subgraph for d in found] == [s.name for s in SUBGRAPHS]
    assert {f"{d.subgraph}.{d.tensor}": d.relative for d in found if d.relative > 2e-4} == {}


@needs_library
def test_it_tracks_as_pytorch_does(custom: Path, street: Path) -> None:
    backends: list[Backend] = [
        TorchBackend.load(custom / "weights.safetensors"),
        OrtBackend(read_bundle(custom), threads=2),
    ]
    result = run_backends(backends, street, "val", 10.0)
    assert result.differences == []
    assert result.scores["torch"].num_gt_tracks > 0, (
        "nothing was found: the comparison says nothing"
    )


@needs_library
def test_another_process_exports_the_same_bytes(custom: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mapt.cli",
        "export",
        shipped_weights(),
        "--out",
        tmp_path / "b",
        "--ops",
        "custom",
    ]
    subprocess.run([*map(str, command), "--no-check"], check=True, capture_output=True)
    assert sorted(p.name for p in custom.iterdir()) == sorted(
        p.name for p in (tmp_path / "b").iterdir()
    )
    for path in custom.iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_an_older_quantiser_is_refused_in_a_line() -> None:
    def old(model_input: Path, model_output: Path) -> None:
        raise AssertionError("it is not asked to")

    with pytest.raises(
        InputError,
        match=r"^--ops custom --precision int8: ONNX Runtime .* cannot quantise .*; update",
    ):
        _check_quantizer(old)


@needs_library
def test_calibration_sees_the_boxes_that_the_operators_keep(
    custom: Path, street: Path, tmp_path: Path
) -> None:
    read = read_bundle(custom)
    picture = read_rgb(sorted((street / "training").rglob("*.png"))[-1])
    image = cv2.resize(picture, (read.info.width, read.info.height))[None]
    seen = OrtBackend(read, threads=1).run("backbone", {"image": image})
    inputs: Tensors = {t.name: seen[t.name] for t in BY_NAME["instance"].inputs}
    path = tmp_path / "instance.onnx"
    onnx.save(_standard(onnx.load(read.graphs["instance"])), path)
    plain = OrtBackend(replace(read, graphs={**read.graphs, "instance": path}), threads=1)
    want, got = (b.run("instance", inputs) for b in (OrtBackend(read, threads=1), plain))
    assert want["count"][0] > 2
    for name, values in want.items():
        assert difference(values, got[name]) < 1e-4, name


@needs_library
@pytest.mark.skipif(
    "calibration_cache_path" not in inspect.signature(quantize_static).parameters,
    reason="ONNX Runtime is too old",
)
def test_int8_has_the_ranges_of_the_standard_form(
    custom: Path, bundle: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    bundles = [read_bundle(path) for path in (custom, bundle)]
    sizes = bundles[0].info.sizes
    results = []
    inputs: Tensors = {
        t.name: random.random(t.resolve(sizes), np.float32) for t in BY_NAME["motion"].inputs
    }
    inputs["boxes"] = inputs["boxes"] * 50 + np.array([0, 0, 50, 50], np.float32)
    inputs["rows"] = np.arange(sizes["N"], dtype=np.int32)
    for read in bundles:
        path = tmp_path / f"{read.lowering}.onnx"
        onnx.save(quantize(onnx.load(read.graphs["motion"]), [inputs]), path)
        lowered = OrtBackend(replace(read, graphs={**read.graphs, "motion": path}), threads=1)
        results.append(lowered.run("motion", inputs))
    exact = OrtBackend(bundles[0], threads=1).run("motion", inputs)
    for name, want in results[1].items():
        # Filters that cannot saturate are coarser than full ones; noise as input gives 0.11, a
        # wrong scale gives 1.
        assert 1e-4 < difference(exact[name], results[0][name]) < 0.15, "it is in int8"
        assert difference(want, results[0][name]) < 1e-5


@needs_library
def test_it_runs_without_pytorch(custom: Path) -> None:
    code = (
        "import sys, numpy as np; from mapt.runtime import PanopticTracker; t ="
        " PanopticTracker.load(sys.argv[1], threads=1); t.step(np.zeros((192, 624, 3), np.uint8),"
        " 0); assert 'torch' not in sys.modules and 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(custom)], check=True)


@needs_library
def test_without_the_library_one_line_says_what_to_build(
    custom: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "FOLDER", tmp_path)
    with pytest.raises(
        InputError,
        match=r"needs the operators mapt 1; .* are not built; build them: `make kernels`",
    ):
        PanopticTracker.load(custom, core="python")
    PanopticTracker.load(bundle, test=False)


@needs_library
def test_another_version_and_a_path_are_refused(custom: Path, tmp_path: Path) -> None:
    """The manifest names what it needs, never where it lies."""
    copy = shutil.copytree(custom, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    for needed, words in (
        ({"mapt": 7}, r"needs the operators mapt 7, _ort_ops.*\.so has mapt 1"),
        ({"/tmp/evil.so": 1}, r"needs operators '/tmp/evil\.so', which this version does not know"),
        ({"mapt": "evil.so"}, r"manifest\.json: is malformed"),
        ({}, r"\.onnx: ONNX Runtime cannot load it"),
    ):
        (copy / "manifest.json").write_text(seal(manifest | {"operators": needed}))
        with pytest.raises(InputError, match=words):
            OrtBackend(read_bundle(copy), 1)


def test_exporting_without_the_library_is_refused_before_any_work(
    mapt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "FOLDER", tmp_path)
    ran = mapt("export", shipped_weights(), "--out", tmp_path / "b", "--ops", "custom")
    assert ran.code == 2 and ran.err.startswith("mapt: --ops custom: needs the operators mapt 1; ")
    assert ran.err.count("\n") == 1 and not (tmp_path / "b").exists()
