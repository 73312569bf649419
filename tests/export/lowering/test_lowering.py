from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from mapt.export.lowering.lowering import Lowering, lower
from mapt.ops.nms import greedy_keep
from mapt.ops.nodes import DOMAIN
from tests.tools.nodes import open_session


def _lowered(n: int, lowering: Lowering = "standard") -> onnxruntime.InferenceSession:
    """A session of nothing but GreedyKeep, lowered."""
    model = _model(n, lowering)
    assert {node.domain for node in model.graph.node} == {""}
    return open_session(model)


def _model(n: int, lowering: Lowering) -> onnx.ModelProto:
    """A graph of nothing but GreedyKeep, lowered."""
    graph = helper.make_graph(
        [helper.make_node("GreedyKeep", ["S"], ["keep"], domain=DOMAIN)],
        "greedy",
        [helper.make_tensor_value_info("S", TensorProto.FLOAT, [n, n])],
        [helper.make_tensor_value_info("keep", TensorProto.BOOL, [n])],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
    )
    model.ir_version = 10
    lower(model, lowering)
    onnx.checker.check_model(model, full_check=True)
    return model


def _greedy(suppresses: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Row by row: a box stays unless one that stays suppresses it."""
    keep = np.ones(len(suppresses), np.bool_)
    for j in range(len(suppresses)):
        keep[j] = not any(keep[i] and suppresses[i, j] > 0.5 for i in range(j))
    return keep


@pytest.mark.parametrize("density", [0.0, 0.02, 0.2, 1.0])
def test_the_loop_is_greedy_suppression(density: float) -> None:
    rng = np.random.default_rng(int(100 * density))
    session = _lowered(40)
    for _ in range(20):
        suppresses = np.triu(rng.random((40, 40)) < density, 1).astype(np.float32)
        (keep,) = session.run(None, {"S": suppresses})
        np.testing.assert_array_equal(keep, _greedy(suppresses))
        np.testing.assert_array_equal(greedy_keep(torch.from_numpy(suppresses)).numpy(), keep)


def test_a_custom_graph_keeps_the_operator_which_no_host_ends() -> None:
    graph = _model(64, "custom").graph
    kept, greater = graph.node
    assert [(n.domain, n.op_type) for n in graph.node] == [(DOMAIN, "GreedyKeep"), ("", "Greater")]
    assert list(kept.input) == ["S"] and list(greater.output) == ["keep"]
    (stated,) = [v for v in graph.value_info if v.name == kept.output[0]]
    assert stated.type.tensor_type.elem_type == TensorProto.FLOAT
    assert [d.dim_value for d in stated.type.tensor_type.shape.dim] == [64]


@pytest.mark.parametrize("lowering", ["standard", "gridsample"])
def test_the_longest_chain_still_ends_right(lowering: Lowering) -> None:
    """Each box suppresses the next: every second stays, and the loop needs its whole bound."""
    suppresses = np.eye(64, k=1, dtype=np.float32)
    (keep,) = _lowered(64, lowering).run(None, {"S": suppresses})
    np.testing.assert_array_equal(keep, np.arange(64) % 2 == 0)


def test_the_shipped_graph_has_its_loop(bundle: Path) -> None:
    model = onnx.load(bundle / "instance.onnx")
    assert [n.op_type for n in model.graph.node].count("Loop") >= 1
