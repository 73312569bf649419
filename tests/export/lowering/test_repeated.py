"""A graph that is repeated for several images, against the graph for one."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mapt.contract import SubgraphSpec, TensorSpec
from mapt.export.lowering.repeated import repeat_graph
from tests.tools.nodes import open_session

SPEC = SubgraphSpec(
    "instance",
    (TensorSpec("x", "float32", (1, "F")),),
    (TensorSpec("y", "float32", (1, "F")), TensorSpec("z", "float32", ("D", "F"))),
)
SIZES = {"F": 3, "D": 2}


def looped() -> onnx.ModelProto:
    """y = x * w, and z of two rows: x doubled until its sum is above a limit, and y."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["inner", "factor"], ["scaled"]),
            helper.make_node("Add", ["scaled", "inner"], ["inner_out"]),
            helper.make_node("ReduceSum", ["inner_out"], ["total"], keepdims=0),
            helper.make_node("Less", ["total", "limit"], ["again"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1, 3]),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("inner_out", TensorProto.FLOAT, [1, 3]),
        ],
        [numpy_helper.from_array(np.array(1, np.float32), "factor")],
    )
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["y"], "times"),
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "ten"], ["limit"]),  # read in the body
        helper.make_node("Loop", ["bound", "", "x"], ["grown"], body=body),
        helper.make_node("Concat", ["grown", "y"], ["z"], axis=0),
    ]
    weights: dict[str, NDArray[Any]] = {
        "w": np.array([[2, 3, 4]], np.float32),
        "ten": np.array(10, np.float32),
        "bound": np.array(20, np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [2, 3]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_every_image_is_computed_as_if_it_were_alone() -> None:
    model = looped()
    alone = open_session(model)
    repeat_graph(model, SPEC, SIZES, 4)
    onnx.checker.check_model(model, full_check=True)
    images = np.array([[1, 2, 3], [9, 0, 0], [0.5, 0.25, 0.125], [7, 7, 7]], np.float32)
    y, z = (np.asarray(found) for found in open_session(model).run(None, {"x": images}))
    assert y.shape == (4, 3) and z.shape == (4, 2, 3)
    rounds = set()
    for place in range(4):
        wanted = alone.run(None, {"x": images[place : place + 1]})
        assert np.array_equal(y[place : place + 1], np.asarray(wanted[0]))
        assert np.array_equal(z[place], np.asarray(wanted[1]))
        rounds.add(float(z[place, 0, 0] / images[place, 0]))
    assert len(rounds) > 1  # the loops ended apart
    names = [node.name for node in model.graph.node if node.name]
    assert len(set(names)) == len(names)


def test_weights_are_not_repeated() -> None:
    model = looped()
    repeat_graph(model, SPEC, SIZES, 4)
    names = [tensor.name for tensor in model.graph.initializer]
    assert sorted(names) == ["bound", "ten", "w", "y_shape", "z_shape"]
