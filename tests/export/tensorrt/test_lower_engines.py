"""Engines of fp16 and int8 graphs, built without a GPU by TensorRT-RTX."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from rich.console import Console

from mapt.commands._shared.export_tables import show_engines
from mapt.contract import SUBGRAPHS
from mapt.export.bundle import engine_files, writer
from mapt.export.bundle.writer import Request, export_bundle
from mapt.export.lowering.graph_rewriter import static_shapes
from mapt.export.lowering.matmul_free import remove_products
from mapt.export.precision import accuracy_gate as gate
from mapt.export.precision import mixed_precision as precision
from mapt.export.precision.mixed_precision import Converter, Lowered, Precision
from mapt.export.tensorrt.engines import BuiltEngine, build_engines
from mapt.io.pretrained import shipped_weights
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.backends.tensorrt_library import RTX_TARGETS
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.bundle.requirements import runnable_here
from tests.export.tensorrt.test_engines import needs_tensorrt

Run = Callable[..., Any]
LOWER: list[Precision] = ["fp16", "int8"]


def check_types(layers: dict[str, dict[str, int]], kind: Precision) -> None:
    """Are a network's convolutions in that precision, and what samples or ranks not?"""
    if kind == "fp16":
        assert set(layers["CONVOLUTION"]) == {"HALF"}, layers["CONVOLUTION"]
        assert layers["CAST"]["HALF"] and layers["CAST"]["FLOAT"]
    else:
        assert set(layers["QUANTIZE"]) == {"INT8"} and set(layers["DEQUANTIZE"]) == {"FLOAT"}
        convolutions = layers["CONVOLUTION"]["FLOAT"] - unquantized(layers)
        assert (
            layers["DEQUANTIZE"]["FLOAT"] >= 2 * convolutions
        )  # of what each reads, and of its filters
    decide = {"GRID_SAMPLE", "TOPK", "SOFTMAX", "LOOP"} & set(layers)
    assert not {"HALF", "INT8"} & {t for name in decide for t in layers[name]}


def unquantized(layers: dict[str, dict[str, int]]) -> int:
    """Return how many fully connected layers may stay float32 in int8.

    There are up to four. On sm75 they are convolutions.
    """
    return 0 if "MATRIX_MULTIPLY" in layers else 4


@needs_tensorrt
@pytest.mark.parametrize("target", ["sm75", "sm86"])
@pytest.mark.parametrize("kind", LOWER)
def test_engines_of_lower_precisions_build(
    gridsample: Path,
    samples: dict[str, list[Tensors]],
    tmp_path: Path,
    kind: Precision,
    target: str,
) -> None:
    """The smallest head; `make test-slow` has the others."""
    model = Converter(kind, samples)(
        "motion", onnx.load(gridsample / "motion.onnx"), symmetric=True
    )
    if target == "sm75":
        remove_products(model, static_shapes(model))
    onnx.save(model, tmp_path / "motion.onnx")
    (engine,) = build_engines({"motion": tmp_path / "motion.onnx"}, tmp_path, target)
    check_types(engine.layers, kind)
    assert set(engine.layers["GRID_SAMPLE"]) == {"FLOAT"}


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that looks at two frames and lets everything pass."""
    monkeypatch.setattr(precision, "GATE", (1, 2))
    monkeypatch.setattr(precision, "CALIBRATION", (1, 3))
    monkeypatch.setattr(precision, "CALIBRATION_SEED", 5)
    monkeypatch.setattr(precision, "GATE_SEED", 5)
    monkeypatch.setattr(gate, "MORE_SWITCHES", 100)
    for kind in LOWER:
        monkeypatch.setitem(gate.LIMITS, kind, 1.0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@needs_tensorrt
@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("kind", LOWER)
def test_all_heads_build_for_every_target(mapt: Run, tmp_path: Path, kind: Precision) -> None:
    ran = mapt("export", shipped_weights(), "--out", tmp_path / "b", "--trt", "--precision", kind)
    assert ran.code == 0, ran.err
    assert "not built" not in ran.out
    bundle = read_bundle(tmp_path / "b")
    assert set(bundle.precisions.values()) == {kind}
    assert {target: set(own) for target, own in bundle.engines.items()} == {
        target: {spec.name for spec in SUBGRAPHS} for target in RTX_TARGETS
    }
    for own in bundle.engines.values():
        for engine in own.values():
            check_types(engine.layers, kind)


def test_what_is_refused_is_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A head of a lower precision only: that a float32 one does not build is a fault."""

    def build(
        graphs: dict[str, Path],
        folder: Path,
        target: str,
        cache: Path | None,
        on_progress: Callable[[BuiltEngine], None],
        refused: Callable[[str, str], None],
    ) -> list[BuiltEngine]:
        with pytest.raises(RuntimeError, match=r"^backbone for sm"):
            refused("backbone", f"backbone for {target}: TensorRT has no [such] kernel")
        refused("motion", f"motion for {target}: TensorRT has no [such] kernel")
        return []

    passed = Lowered(Converter("fp16", {}), gate.Verdict(("motion",), (), {}), {})
    monkeypatch.setattr(engine_files, "build_engines", build)
    monkeypatch.setattr(writer, "engine_targets", lambda wanted: wanted)
    monkeypatch.setattr(writer, "lower_precision", lambda *_: passed)
    request = Request(
        size=(96, 320), lowering=runnable_here(), precision="fp16", targets=("sm75", "sm86")
    )
    on_progress = export_bundle(shipped_weights(), tmp_path / "b", request)
    assert on_progress.refused == tuple(
        f"fp16 motion for {t}: TensorRT has no [such] kernel" for t in ("sm75", "sm86")
    )
    assert read_bundle(tmp_path / "b").engines == {}
    show_engines(Console(width=200), on_progress.engines, on_progress.refused, tmp_path / "b")
    assert capfd.readouterr().out.splitlines() == [
        f"not built: {line}" for line in on_progress.refused
    ]
