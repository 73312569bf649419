"""The backends that `mapt bench` compares with.

The tests cover what the backends compute, and the message where they cannot.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from torch import nn

from mapt.bench.latency.backend_variants import BackendVariant, list_contenders, open_contender
from mapt.errors import InputError
from mapt.runtime.backends.choice import open_backend
from mapt.runtime.backends.openvino import OpenvinoBackend, narrow_ranking
from mapt.runtime.backends.protocol import Options
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from tests.tools.nodes import open_session

Run = Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]]


@pytest.fixture
def plain(bundle: Path) -> Bundle:
    """The shipped network without operators of our own."""
    read = read_bundle(bundle)
    assert read.lowering == "standard"
    return replace(read, lowering="gridsample")


def stand_in(change: float = 0.0) -> Any:
    """OpenVINO's interface on ONNX Runtime; `change` is added to every float."""

    def compile_model(model: bytes, device: str, hints: Mapping[str, object]) -> Run:
        assert device == "CPU" and hints["INFERENCE_PRECISION_HINT"] == "f32"
        session = open_session(model)
        names = [output.name for output in session.get_outputs()]

        def run(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            found = zip(names, session.run(None, inputs), strict=True)
            return {
                name: value + change if value.dtype == np.float32 else value
                for name, value in found
            }

        return run

    core = SimpleNamespace(read_model=lambda content: content, compile_model=compile_model)
    return SimpleNamespace(Core=lambda: core, __version__="2025.0")


def test_openvino_is_given_rankings_that_fit_32_bits_and_that_change_nothing(
    plain: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = onnx.load_from_string(
        narrow_ranking(plain.contents.read(plain.graphs["instance"]))
    ).graph
    made = {output: node.op_type for node in graph.node for output in node.output}
    ranked = [made[node.input[0]] for node in graph.node if node.op_type == "TopK"]
    assert ranked and "Add" not in ranked
    monkeypatch.setitem(sys.modules, "openvino", stand_in())
    row = BackendVariant("openvino", "openvino", plain)
    assert isinstance(open_contender(row, 1), OpenvinoBackend)  # the golden picture's outputs
    backend = open_backend(plain, "openvino", Options(1))
    assert set(backend.providers.values()) == {"OpenVINO 2025.0 CPU"}
    with pytest.raises(InputError, match="runs on a CPU, not on device 'cuda'"):
        open_backend(plain, "openvino", Options(device="cuda"))


def test_openvino_that_computes_otherwise_is_no_row(
    plain: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", stand_in(0.5))
    with pytest.raises(InputError, match=r"OpenVINO computes the bundle wrongly: .* differs by"):
        open_contender(BackendVariant("openvino", "openvino", plain), 1)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"openvino is not installed, .*'mapt\[openvino\]'"):
        open_backend(plain, "openvino", Options(1))


def test_a_translation_is_a_row_of_its_own_and_says_why_it_failed(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_bundle(bundle)
    kinds = [row.kind for row in list_contenders(read, [], compiled=True)]
    assert kinds[:3] == ["torch", "torch-best", "torch-compile"]
    assert "torch-compile" not in [row.kind for row in list_contenders(read, [])]
    row = BackendVariant("torch-compile", "torch-compile", read)
    translated = list[nn.Module]()
    monkeypatch.setattr(nn.Module, "compile", lambda module, **_: translated.append(module))
    assert open_contender(row, 1).name == "torch-compile" and len(translated) == 2

    def fail(_: nn.Module, dynamic: bool) -> None:
        raise RuntimeError("no C++ compiler\nand a long story")

    monkeypatch.setattr(nn.Module, "compile", fail)
    with pytest.raises(
        InputError, match=r"^torch\.compile failed: RuntimeError: no C\+\+ compiler$"
    ):
        open_contender(row, 1)
