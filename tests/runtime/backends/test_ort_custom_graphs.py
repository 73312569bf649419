"""Graphs with MAPT's own operators, on CUDA's provider."""

import ctypes
from pathlib import Path

import numpy as np
import onnx
import pytest

from mapt.export.bundle.writer import Request, export_bundle
from mapt.io.pretrained import shipped_weights
from mapt.runtime.backends import operators as operators_module
from mapt.runtime.backends import ort_providers as providers
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.ort_providers import CPU, CUDA
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from tests.runtime.backends import cuda_standin
from tests.runtime.backends.ort_bundles import inputs_of, refusal
from tests.runtime.backends.test_operators import needs_library
from tests.tools.once import exported


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped weights with MAPT's own operators."""
    return read_bundle(exported(tmp_path_factory, "custom"))


@pytest.fixture(scope="module")
def on_cuda(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same for CUDA."""
    folder = tmp_path_factory.mktemp("on_cuda") / "bundle"
    export_bundle(shipped_weights(), folder, Request(lowering="custom", device="cuda"))
    return read_bundle(folder)


@needs_library
def test_graphs_for_cuda_rank_channels_as_cudas_resize_has_them(
    custom: Bundle, on_cuda: Bundle
) -> None:
    axes = {}
    for bundle in (custom, on_cuda):
        (node,) = (
            n for n in onnx.load(bundle.graphs["semantic"]).graph.node if n.op_type == "ArgMax"
        )
        axes[bundle.folder] = next(a.i for a in node.attribute if a.name == "axis")
    assert list(axes.values()) == [3, 1] and on_cuda.operators == custom.operators
    given = inputs_of(custom)["semantic"]
    one, other = (OrtBackend(b, 1, "cpu").run("semantic", given) for b in (custom, on_cuda))
    assert all(np.array_equal(one[n], other[n]) for n in one)


@needs_library
def test_custom_bundles_need_operators_for_cuda(
    ort: cuda_standin.Ort,
    custom: Bundle,
    on_cuda: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(providers, "operator_providers", lambda _: (CPU,))
    text = refusal(custom, "cuda")
    assert "_ort_ops" in text and "without CUDA kernels" in text
    assert "--ops standard or gridsample" in text and "device 'cpu'" in text
    assert (
        set(OrtBackend(custom, 1).providers.values()) == {CPU}
        and "without CUDA kernels" in caplog.messages[0]
    )
    monkeypatch.setattr(providers, "operator_providers", lambda _: (CPU, CUDA))
    assert set(OrtBackend(on_cuda, 1).providers.values()) == {CUDA}
    assert (
        "semantic.onnx: is made for a CPU; export with --ops custom --device cuda, or"
        in refusal(custom, "cuda")
    )
    assert (
        set(OrtBackend(custom, 1).providers.values()) == {CPU}
        and "made for a CPU" in caplog.messages[1]
    )


@needs_library
def test_a_library_of_before_the_providers_is_to_be_built_again(
    custom: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Old:
        def mapt_operator_version(self) -> int:
            return 1

    (tmp_path / "_ort_ops.so").touch()
    monkeypatch.setattr(operators_module, "FOLDER", tmp_path)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Old())
    assert "does not load" in refusal(custom, "cpu")
