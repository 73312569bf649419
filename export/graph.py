"""What every rewrite of an ONNX graph needs."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import shape_inference

Shapes = dict[str, tuple[int, ...]]


def replace_node(graph: onnx.GraphProto, node: onnx.NodeProto, new: Sequence[onnx.NodeProto]) -> None:
    """Put nodes in the place of one, in place."""
    place = list(graph.node).index(node)
    del graph.node[place]
    for offset, other in enumerate(new):
        graph.node.insert(place + offset, other)


def known_shapes(graph: onnx.GraphProto) -> Shapes:
    """The shape of every value that the graph states one for."""
    values = (*graph.value_info, *graph.input, *graph.output)
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    return shapes | {t.name: tuple(t.dims) for t in graph.initializer}


def static_shapes(model: onnx.ModelProto) -> Shapes:
    """The shape of every value whose shape is static."""
    return known_shapes(shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph)


def reads(node: onnx.NodeProto) -> set[str]:
    """Every name a node reads, in its inner graphs too."""
    inner = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    own = set(node.input)
    return own.union(*(reads(n) for g in inner for n in g.node), *({o.name for o in g.output} for g in inner))


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove constants that nothing reads, in place."""
    used = {name for node in graph.node for name in reads(node)}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
