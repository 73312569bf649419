"""The lowerings, which rewrite one traced graph.

Each of them keeps or replaces the nodes of MAPT's own domain.
"""

from __future__ import annotations

from typing import Literal

import onnx
from onnx import TensorProto, helper

from mapt.export.lowering.channels_last import rank_channels_last
from mapt.export.lowering.graph_rewriter import Shapes, drop_unused, known_shapes, name_nodes
from mapt.export.lowering.gridsample import lower_gridsample
from mapt.export.lowering.node_builder import Builder, Rule, rewrite
from mapt.export.lowering.standard import STANDARD
from mapt.ops.nodes import DOMAIN

Device = Literal["cpu", "cuda"]
Lowering = Literal["custom", "standard", "gridsample"]


def lower(model: onnx.ModelProto, lowering: Lowering, device: Device = "cpu") -> None:
    """Rewrite a traced graph in place.

    Args:
        model: as traced, with MAPT's nodes.
        lowering: "custom" keeps the operators that csrc/ has kernels for; "standard" has ONNX's
            DeformConv and RoiAlign in their place; "gridsample" GridSample and MatMul, which any
            runtime builds without a plugin.
        device: what "custom" graphs are for. On a CPU the semantic head ranks labels channels last,
            which is faster there, and which ONNX Runtime computes wrongly on a GPU. The other
            lowerings are the same for both.

    Raises:
        RuntimeError: a node of a form that MAPT's graphs do not have; a fault of this program, not
            of its user.
    """
    rules = _CUSTOM if lowering == "custom" else _STANDARD
    rewrite(model.graph, rules, known_shapes(model.graph), "s", DOMAIN)
    used = {node.domain for node in model.graph.node} | {""}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    if lowering == "gridsample":
        lower_gridsample(model)
    elif lowering == "custom" and device == "cpu":
        rank_channels_last(model.graph)
    drop_unused(model.graph)
    name_nodes(model.graph)


def _greedy_keep(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """GreedyKeep as a Loop: keep <- (keep . S < 0.5) until nothing changes, at most n times.

    The body carries `keep` (n,) float32 and stops when a round leaves it unchanged: exactly the
    greedy result.
    """
    (suppresses,) = node.input
    (result,) = node.output
    at = node.output[0]
    (count,) = shapes[result]

    def name(part: str) -> str:
        return f"{at}_{part}"

    body = helper.make_graph(
        [
            helper.make_node("MatMul", [name("keep_in"), suppresses], [name("hits")]),
            helper.make_node("Less", [name("hits"), name("half")], [name("free")]),
            helper.make_node("Cast", [name("free")], [name("keep_out")], to=TensorProto.FLOAT),
            helper.make_node("Sub", [name("keep_out"), name("keep_in")], [name("change")]),
            helper.make_node("Abs", [name("change")], [name("changed")]),
            helper.make_node("ReduceMax", [name("changed")], [name("most")], keepdims=0),
            helper.make_node("Greater", [name("most"), name("half")], [name("again")]),
        ],
        name("body"),
        [
            helper.make_tensor_value_info(name("round"), TensorProto.INT64, []),
            helper.make_tensor_value_info(name("go"), TensorProto.BOOL, []),
            helper.make_tensor_value_info(name("keep_in"), TensorProto.FLOAT, [count]),
        ],
        [
            helper.make_tensor_value_info(name("again"), TensorProto.BOOL, []),
            helper.make_tensor_value_info(name("keep_out"), TensorProto.FLOAT, [count]),
        ],
    )
    b.nodes += [
        helper.make_node("Constant", [], [name("all")], value_floats=[1.0] * count),
        helper.make_node("Constant", [], [name("half")], value_float=0.5),
        helper.make_node("Constant", [], [name("bound")], value_int=count),
        helper.make_node("Loop", [name("bound"), "", name("all")], [name("keep")], body=body),
        # Shape inference takes a Loop's results to be of any shape; the lowerings behind this one
        # need theirs.
        helper.make_node("Constant", [], [name("shape")], value_ints=[count]),
    ]
    # The operator of a finished `custom` graph gives 1 or 0, and PyTorch's gives booleans.
    if _is_float(b.graph, result):
        b.nodes.append(helper.make_node("Reshape", [name("keep"), name("shape")], [result]))
        return
    b.nodes += [
        helper.make_node("Reshape", [name("keep"), name("shape")], [name("kept")]),
        helper.make_node("Greater", [name("kept"), name("half")], [result]),
    ]


def _is_float(graph: onnx.GraphProto, name: str) -> bool:
    """Tell whether a value inside a graph is stated to be float32."""
    return any(
        value.name == name and value.type.tensor_type.elem_type == TensorProto.FLOAT
        for value in graph.value_info
    )


def _typed_greedy_keep(b: Builder, node: onnx.NodeProto, shapes: Shapes) -> None:
    """GreedyKeep as MAPT's operator, whose result (n,) is 1 or 0 in the type of its input."""
    (result,) = node.output
    kept = f"{result}_kept"
    b.nodes.append(helper.make_node("GreedyKeep", list(node.input), [kept], domain=DOMAIN))
    b.op("Greater", kept, b.constant(0.5), output=result)
    shape = list(shapes[result])
    b.graph.value_info.append(helper.make_tensor_value_info(kept, TensorProto.FLOAT, shape))


_CUSTOM: dict[str, Rule] = {"GreedyKeep": _typed_greedy_keep}
_STANDARD: dict[str, Rule] = {"GreedyKeep": _greedy_keep} | STANDARD
