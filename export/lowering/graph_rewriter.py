"""Helper functions for rewriting ONNX graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
from onnx import shape_inference

Shapes = dict[str, tuple[int, ...]]


def replace_node(
    graph: onnx.GraphProto, node: onnx.NodeProto, new: Sequence[onnx.NodeProto]
) -> None:
    """Replace a node of a graph by other nodes, in place."""
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
    """Return every name that a node reads, also in its inner graphs."""
    inner = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    own = set(node.input)
    return own.union(
        *(reads(n) for g in inner for n in g.node), *({o.name for o in g.output} for g in inner)
    )


def every_node(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the graphs inside it, in order."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from every_node(attribute.g)


def name_nodes(graph: onnx.GraphProto) -> None:
    """Name every node without a unique name after its first output, in place.

    Every rewrite ends with this.

    ONNX Runtime before 1.22 builds the names of fused nodes from these, and refuses a graph where
    two are the same.
    """
    taken: set[str] = set()
    unnamed = []
    for node in every_node(graph):
        if not node.name or node.name in taken:
            unnamed.append(node)
        taken.add(node.name)
    for node in unnamed:
        name = node.output[0]
        while name in taken:
            name += "_"
        node.name = name
        taken.add(name)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove constants that nothing reads, in place."""
    used = {name for node in graph.node for name in reads(node)}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
