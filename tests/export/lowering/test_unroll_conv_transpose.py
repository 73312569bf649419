"""Exact rewrites, against what they replace."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mapt.export.lowering.graph_rewriter import name_nodes
from mapt.export.lowering.unroll_conv_transpose import unroll_transposed
from tests.tools.nodes import open_session


def mask_branch(
    rng: np.random.Generator, kernel: int = 2, last: int = 1, **attributes: Any
) -> onnx.ModelProto:
    """ConvTranspose, Relu and a convolution to 4 classes of x (3,5,7,9)."""
    shapes = {"w": (5, 6, kernel, kernel), "b": (6,), "v": (4, 6, last, last), "c": (4,)}
    tensors = [
        numpy_helper.from_array(rng.normal(size=s).astype(np.float32), n) for n, s in shapes.items()
    ]
    attributes = {"strides": [2, 2], "kernel_shape": [kernel, kernel], **attributes}
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["up"], **attributes),
        helper.make_node("Relu", ["up"], ["act"]),
        helper.make_node("Conv", ["act", "v", "c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 5, 7, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = open_session(model)
    return np.asarray(session.run(None, {"x": x})[0])


def test_a_mask_branch_is_computed_per_block() -> None:
    rng = np.random.default_rng(0)
    model = mask_branch(rng)
    x = rng.normal(size=(3, 5, 7, 9)).astype(np.float32)
    want = run(model, x)
    unroll_transposed(model)
    onnx.checker.check_model(model, full_check=True)
    assert "ConvTranspose" not in {n.op_type for n in model.graph.node}
    got = run(model, x)
    assert got.shape == want.shape == (3, 4, 14, 18)
    assert np.abs(got - want).max() < 1e-5


@pytest.mark.parametrize(
    "changed",
    [
        {"strides": [1, 1]},
        {"pads": [1, 1, 1, 1]},
        {"output_padding": [1, 1]},
        {"kernel": 3},
        {"last": 3},
    ],
)
def test_overlapping_and_padded_ones_stay(changed: dict[str, Any]) -> None:
    model = mask_branch(np.random.default_rng(0), **changed)
    name_nodes(model.graph)  # every rewrite ends so
    before = model.SerializeToString(deterministic=True)
    unroll_transposed(model)
    assert model.SerializeToString(deterministic=True) == before


def test_values_that_others_read_stay() -> None:
    model = mask_branch(np.random.default_rng(0))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [None] * 4))
    model.graph.node.append(helper.make_node("Neg", ["act"], ["z"]))
    unroll_transposed(model)
    assert "ConvTranspose" in {n.op_type for n in model.graph.node}
