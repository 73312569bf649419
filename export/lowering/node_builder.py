"""Builds the nodes that replace another node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

from mapt.export.lowering.graph_rewriter import Shapes, replace_node


class Builder:
    """Collects nodes whose values are named after the one they replace.

    Attributes:
        nodes: so far, in order.
        prefix: of every name.
    """

    def __init__(self, graph: onnx.GraphProto, node: onnx.NodeProto, mark: str) -> None:
        self.graph = graph
        self.prefix = f"{node.output[0]}_{mark}"
        self.nodes: list[onnx.NodeProto] = []
        self.count = 0

    def _name(self) -> str:
        self.count += 1
        return f"{self.prefix}{self.count}"

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        output = output or self._name()
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        """A constant tensor."""
        name = self._name()
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def value(self, name: str) -> NDArray[Any]:
        """The value of a constant.

        Raises:
            RuntimeError: it is none; a fault of this program, not of its user.
        """
        tensor = next((t for t in self.graph.initializer if t.name == name), None)
        if tensor is None:
            raise RuntimeError(f"{self.prefix}: its input {name} is not a constant")
        return numpy_helper.to_array(tensor)

    def reshape(self, value: str, shape: tuple[int, ...], output: str = "") -> str:
        """Reshape `value`; returns the name of the result."""
        return self.op("Reshape", value, self.constant(shape, np.int64), output=output)

    def pick(self, value: str, index: int | list[int], axis: int) -> str:
        """Select one index of an axis and drop the axis, or select several and keep it."""
        return self.op("Gather", value, self.constant(index, np.int64), axis=axis)


Rule = Callable[[Builder, onnx.NodeProto, Shapes], None]


def rewrite(
    graph: onnx.GraphProto, rules: Mapping[str, Rule], shapes: Shapes, mark: str, domain: str = ""
) -> None:
    """Replace every node of a domain that there is a rule for, in place.

    Args:
        graph: that holds them.
        rules: by operator.
        shapes: of its values.
        mark: sets the names of these new values apart from those of other rewrites.
        domain: of the nodes.
    """
    for node in [n for n in graph.node if n.domain == domain and n.op_type in rules]:
        builder = Builder(graph, node, mark)
        rules[node.op_type](builder, node, shapes)
        replace_node(graph, node, builder.nodes)


def attributes(node: onnx.NodeProto, **defaults: Any) -> dict[str, Any]:
    """Return a node's attributes, with defaults for those that are missing."""
    return defaults | {a.name: helper.get_attribute_value(a) for a in node.attribute}
