"""Converts graphs to float16 by inserting casts.

Convolutions and the nodes between them compute in float16. Coordinates and decisions stay float32.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mapt.export.lowering.graph_rewriter import drop_unused, name_nodes, reads

SEEDS = {"Conv", "ConvTranspose", "Gemm"}  # where the time goes
ONE_INPUT = {
    "Relu",
    "LeakyRelu",
    "Resize",
    "AveragePool",
    "MaxPool",
    "Reshape",
    "Transpose",
}  # others are parameters
# What is also computed in float16 when all that it reads is: nothing that samples, ranks,
# suppresses or normalises.
CARRIERS = ONE_INPUT | {"Clip", "Add", "Concat"}


def to_half(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Compute a float32 graph's convolutions in float16, in place; inputs and outputs stay float32.

    Returns:
        The nodes that compute in float16.
    """
    graph = model.graph
    constants = {t.name: t for t in graph.initializer}
    chosen = select(graph)
    half = {node.output[0] for node in chosen}
    outside = _read_outside(graph, half)
    rewritten: list[onnx.NodeProto] = []
    for node in graph.node:
        name = node.output[0]
        if name in half:
            rewritten += _casts(graph, node, half, constants)
            node.output[0] = _half(name)
        rewritten.append(node)
        if name in half & outside:
            rewritten.append(helper.make_node("Cast", [_half(name)], [name], to=TensorProto.FLOAT))
    del graph.node[:]
    graph.node.extend(_once(rewritten))
    drop_unused(graph)
    name_nodes(graph)
    return chosen


def select(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Select the convolutions, and the nodes that pass their results on, for float16."""
    constants = {t.name: t for t in graph.initializer}
    selected: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        if node.op_type not in SEEDS | CARRIERS:
            continue
        read = [node.input[i] for i in _data(node)]
        fits = all(_fits(constants[name]) for name in read if name in constants)
        follows = any(n in selected for n in read) and all(
            n in selected or n in constants for n in read
        )
        if fits and (node.op_type in SEEDS or follows):
            selected[node.output[0]] = node
    return list(selected.values())


def _half(name: str) -> str:
    return f"{name}_half"


def _casts(
    graph: onnx.GraphProto, node: onnx.NodeProto, half: set[str], constants: dict[str, TensorProto]
) -> list[onnx.NodeProto]:
    """Let a node read float16; returns the casts that this takes."""
    casts = []
    for place in _data(node):
        name = node.input[place]
        node.input[place] = _half(name)
        if name in constants and _half(name) not in constants:
            value = numpy_helper.to_array(constants[name]).astype(np.float16)
            constants[_half(name)] = numpy_helper.from_array(value, _half(name))
            graph.initializer.append(constants[_half(name)])
        elif name not in constants and name not in half:
            casts.append(helper.make_node("Cast", [name], [_half(name)], to=TensorProto.FLOAT16))
    return casts


def _once(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Remove repeated casts to the same name."""
    return list({node.output[0]: node for node in nodes}.values())


def _data(node: onnx.NodeProto) -> list[int]:
    """Return the inputs that a node computes with; its other inputs are parameters."""
    return [0] if node.op_type in ONE_INPUT else [i for i, name in enumerate(node.input) if name]


def _fits(tensor: TensorProto) -> bool:
    """Tell whether every value of a float32 constant is within float16's range."""
    largest = float(np.finfo(np.float16).max)
    return tensor.data_type == TensorProto.FLOAT and bool(
        np.abs(numpy_helper.to_array(tensor)).max(initial=0.0) <= largest
    )


def _read_outside(graph: onnx.GraphProto, half: set[str]) -> set[str]:
    """Return the names that float32 nodes, inner graphs or the outputs read."""
    outside = {value.name for value in graph.output}
    for node in graph.node:
        inside = {node.input[i] for i in _data(node)} if node.output[0] in half else set()
        outside |= reads(node) - inside
    return outside
