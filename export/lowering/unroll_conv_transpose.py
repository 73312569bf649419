"""Unrolls transposed convolutions exactly, which is faster in every runtime."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mapt.export.lowering.graph_rewriter import drop_unused, name_nodes, static_shapes

# A transposed convolution whose outputs do not overlap: each pixel becomes a 2x2 block of its own.
_BLOCKS = {"kernel_shape": [2, 2], "strides": [2, 2]}
_PLAIN = {
    "pads": [0, 0, 0, 0],
    "dilations": [1, 1],
    "output_padding": [0, 0],
    "group": 1,
    "auto_pad": b"NOTSET",
}


def unroll_transposed(model: onnx.ModelProto) -> None:
    """Unroll a 2x2 transposed convolution of stride 2 and the two layers behind it, in place.

    These layers are a Relu and a 1x1 convolution. All three are computed per block.

    All three act on each pixel of a block alone. So the first becomes a 1x1 convolution with four
    times the channels, the four pixels of a block go to the batch (a free reshape), and only the
    last one's few channels are interleaved.
    """
    graph = model.graph
    readers = {
        name: [n for n in graph.node if name in n.input]
        for node in graph.node
        for name in node.output
    }
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    shapes = static_shapes(model)
    for node in [n for n in graph.node if n.op_type == "ConvTranspose"]:
        chain = [node]
        while len(chain) < 3 and len(readers[chain[-1].output[0]]) == 1:
            chain += readers[chain[-1].output[0]]
        kinds = [n.op_type for n in chain]
        if (
            kinds != ["ConvTranspose", "Relu", "Conv"]
            or len(node.input) != 3
            or not _disjoint(node)
        ):
            continue
        if constants[chain[2].input[1]].shape[2:] == (1, 1):
            place = list(graph.node).index(node)
            for old in chain:
                graph.node.remove(old)
            for offset, new in enumerate(_unrolled(graph, chain, constants, shapes[node.input[0]])):
                graph.node.insert(place + offset, new)
            drop_unused(graph)
    name_nodes(graph)


def _disjoint(node: onnx.NodeProto) -> bool:
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {**_PLAIN, **given} == {**_PLAIN, **_BLOCKS}


def _unrolled(
    graph: onnx.GraphProto,
    chain: list[onnx.NodeProto],
    constants: dict[str, NDArray[np.generic]],
    shape: tuple[int, ...],
) -> list[onnx.NodeProto]:
    """Nodes in the place of `chain`, whose first reads a tensor of `shape`."""
    first, relu, last = chain
    weight, bias = (constants[name] for name in first.input[1:])
    inputs, outputs = weight.shape[:2]
    rows, _, height, width = shape
    classes = constants[last.input[1]].shape[0]
    at = last.output[0]

    def constant(part: str, value: NDArray[np.generic]) -> str:
        graph.initializer.append(
            numpy_helper.from_array(np.ascontiguousarray(value), f"{at}_{part}")
        )
        return f"{at}_{part}"

    filters = constant("filters", weight.transpose(2, 3, 1, 0).reshape(4 * outputs, inputs, 1, 1))
    biases = constant("biases", np.tile(bias, 4))
    pixels = constant("pixels", np.array([4 * rows, outputs, height, width]))
    blocks = constant("blocks", np.array([rows, 2, 2, classes, height, width]))
    whole = constant("whole", np.array([rows, classes, 2 * height, 2 * width]))
    return [
        helper.make_node(
            "Conv", [first.input[0], filters, biases], [f"{at}_1"], name=f"{first.name}_1x1"
        ),
        helper.make_node("Relu", [f"{at}_1"], [f"{at}_2"], name=relu.name),
        helper.make_node("Reshape", [f"{at}_2", pixels], [f"{at}_3"]),
        helper.make_node("Conv", [f"{at}_3", *last.input[1:]], [f"{at}_4"], name=last.name),
        helper.make_node("Reshape", [f"{at}_4", blocks], [f"{at}_5"]),
        helper.make_node("Transpose", [f"{at}_5"], [f"{at}_6"], perm=[0, 3, 4, 1, 5, 2]),
        helper.make_node("Reshape", [f"{at}_6", whole], [at]),
    ]
