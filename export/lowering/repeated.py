"""Makes a graph for one image a graph for several: a copy of its nodes for each, on shared weights.

So every image's result is computed as if it were alone.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mapt.contract import SubgraphSpec, of_batch


def repeat_graph(
    model: onnx.ModelProto, spec: SubgraphSpec, sizes: dict[str, int], batch: int
) -> None:
    """Repeat a lowered graph for `batch` images, in place.

    Args:
        model: for one image, with static shapes.
        spec: its tensors; all inputs have a leading 1.
        sizes: the network's shape symbols.
        batch: copies.
    """
    graph = model.graph
    shared = {tensor.name for tensor in graph.initializer}
    nodes = list(graph.node)
    values = list(graph.value_info)
    del graph.node[:]
    del graph.value_info[:]
    for tensor in spec.inputs:
        parts = [_renamed(tensor.name, shared, place) for place in range(batch)]
        name = f"{tensor.name}_split"
        graph.node.append(
            helper.make_node("Split", [tensor.name], parts, name, axis=0, num_outputs=batch)
        )
    for place in range(batch):
        graph.node.extend(_copied(node, shared, place) for node in nodes)
        for value in values:
            copied = graph.value_info.add()
            copied.CopyFrom(value)
            copied.name = _renamed(value.name, shared, place)
    for tensor in spec.outputs:
        parts = [_renamed(tensor.name, shared, place) for place in range(batch)]
        shape = of_batch(tensor, batch).resolve(sizes)
        joined = f"{tensor.name}_joined"
        wanted = numpy_helper.from_array(np.array(shape, np.int64), f"{tensor.name}_shape")
        graph.initializer.append(wanted)
        graph.node.extend(
            [
                helper.make_node("Concat", parts, [joined], joined, axis=0),
                helper.make_node("Reshape", [joined, wanted.name], [tensor.name], wanted.name),
            ]
        )
    for tensors, found in ((spec.inputs, graph.input), (spec.outputs, graph.output)):
        for tensor, value in zip(tensors, found, strict=True):
            kind = value.type.tensor_type.elem_type
            shape = of_batch(tensor, batch).resolve(sizes)
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))


def _renamed(name: str, shared: set[str], place: int) -> str:
    """The name of a value in a copy; what is left out and the weights keep theirs."""
    return name if not name or name in shared else f"{name}_{place}"


def _copied(node: onnx.NodeProto, shared: set[str], place: int) -> onnx.NodeProto:
    """A node of a copy, and so the bodies in it, which read values from outside by name."""
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    copied.name = _renamed(node.name, set(), place)
    copied.input[:] = [_renamed(name, shared, place) for name in node.input]
    copied.output[:] = [_renamed(name, shared, place) for name in node.output]
    for attribute in copied.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            body = attribute.g
            own = shared - {tensor.name for tensor in body.initializer}
            inside = [_copied(inner, own, place) for inner in body.node]
            del body.node[:]
            body.node.extend(inside)
            for value in (*body.input, *body.output, *body.value_info, *body.initializer):
                value.name = _renamed(value.name, own, place)
    return copied
