"""Rewrites graphs so that they need no float32 matrix products.

TensorRT-RTX builds no such products for Turing (sm75), but it builds convolutions and sums.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mapt.export.lowering.graph_rewriter import Shapes, name_nodes, replace_node


def remove_products(model: onnx.ModelProto, shapes: Shapes) -> None:
    """Replace every Gemm and MatMul of a graph with static shapes, in place.

    Gemm becomes a 1x1 convolution; MatMul becomes a product with broadcasting and a sum; the
    vector-matrix product in a greedy Loop, which asks whether any kept box suppresses this one, a
    maximum of zeros and ones.

    Args:
        model: in the gridsample lowering, or a copy of it.
        shapes: of its values.

    Raises:
        RuntimeError: a product of a form that MAPT's graphs do not have; a fault of this program,
            not of its user.
    """
    graph = model.graph
    for node in list(graph.node):
        if node.op_type == "Gemm":
            replace_node(graph, node, _gemm(graph, node))
        elif node.op_type == "MatMul":
            replace_node(graph, node, _matmul(graph, node, shapes))
        elif node.op_type == "Loop":
            body = next(a.g for a in node.attribute if a.name == "body")
            for inner in [n for n in body.node if n.op_type == "MatMul"]:
                replace_node(body, inner, _any(graph, inner))
    name_nodes(graph)


def _constant(
    graph: onnx.GraphProto, name: str, value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _gemm(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    a = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
    a |= {x.name: helper.get_attribute_value(x) for x in node.attribute}
    weight = next((t for t in graph.initializer if t.name == node.input[1]), None)
    if weight is None or (a["alpha"], a["beta"], a["transA"]) != (1.0, 1.0, 0):
        raise RuntimeError(f"{node.name}: a Gemm of this form has no convolution")
    matrix = numpy_helper.to_array(weight)
    matrix = np.ascontiguousarray(matrix if a["transB"] else matrix.T)  # (outputs,inputs)
    outputs, inputs = matrix.shape
    out = node.output[0]
    filters = _constant(graph, f"{out}_filters", matrix[:, :, None, None])
    pixels = _constant(graph, f"{out}_pixels", np.array([-1, inputs, 1, 1]))
    rows = _constant(graph, f"{out}_rows", np.array([-1, outputs]))
    return [
        helper.make_node("Reshape", [node.input[0], pixels], [f"{out}_in"]),
        helper.make_node("Conv", [f"{out}_in", filters, *node.input[2:]], [f"{out}_out"]),
        helper.make_node("Reshape", [f"{out}_out", rows], [out]),
    ]


def _matmul(graph: onnx.GraphProto, node: onnx.NodeProto, shapes: Shapes) -> list[onnx.NodeProto]:
    """(...,m,k) x (...,k,n): (...,m,k,1) * (...,1,k,n), summed over k."""
    left, right = node.input
    out = node.output[0]
    if min(len(shapes[left]), len(shapes[right])) < 2:
        raise RuntimeError(f"{node.name}: a MatMul with a vector has no sum")
    last = _constant(graph, f"{out}_last", np.array([-1]))
    third = _constant(graph, f"{out}_third", np.array([-3]))
    summed = _constant(graph, f"{out}_summed", np.array([-2]))
    return [
        helper.make_node("Unsqueeze", [left, last], [f"{out}_left"]),
        helper.make_node("Unsqueeze", [right, third], [f"{out}_right"]),
        helper.make_node("Mul", [f"{out}_left", f"{out}_right"], [f"{out}_terms"]),
        helper.make_node("ReduceSum", [f"{out}_terms", summed], [out], keepdims=0),
    ]


def _any(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    keep, suppresses = node.input
    out = node.output[0]
    column = _constant(graph, f"{out}_column", np.array([1]))
    rows = _constant(graph, f"{out}_over", np.array([0]))
    return [
        helper.make_node("Unsqueeze", [keep, column], [f"{out}_kept"]),
        helper.make_node("Mul", [f"{out}_kept", suppresses], [f"{out}_pairs"]),
        helper.make_node("ReduceMax", [f"{out}_pairs", rows], [out], keepdims=0),
    ]
