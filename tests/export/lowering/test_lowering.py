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
    assert {node.domain for node in model.graph.node} == {""}
    return open_session(model)


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


@pytest.mark.parametrize("lowering", ["custom", "standard", "gridsample"])
def test_the_longest_chain_still_ends_right(lowering: Lowering) -> None:
    """Each box suppresses the next: every second stays, and the loop needs its whole bound."""
    suppresses = np.eye(64, k=1, dtype=np.float32)
    (keep,) = _lowered(64, lowering).run(None, {"S": suppresses})
    np.testing.assert_array_equal(keep, np.arange(64) % 2 == 0)


def test_the_shipped_graph_has_its_loop(bundle: Path) -> None:
    model = onnx.load(bundle / "instance.onnx")
    assert [n.op_type for n in model.graph.node].count("Loop") >= 1
