"""Rewrites of the traced graph into standard ONNX."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

DOMAIN = "mapt"


def lower_standard(model: onnx.ModelProto) -> None:
    """Replace MAPT's nodes by operators that every runtime knows, in place."""
    for node in [n for n in model.graph.node if n.domain == DOMAIN]:
        place = list(model.graph.node).index(node)
        replacement = _LOWERINGS[node.op_type](node)
        del model.graph.node[place]
        for offset, new in enumerate(replacement):
            model.graph.node.insert(place + offset, new)
    kept = [opset for opset in model.opset_import if opset.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _greedy_keep(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """GreedyKeep as a Loop: keep <- (keep . S < 0.5) until nothing changes, at most n times.

    The body carries `keep` (n,) float32 and stops when a round leaves it unchanged: exactly the greedy result.
    """
    (suppresses,), (result,), at = node.input, node.output, node.output[0]

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
            helper.make_tensor_value_info(name("keep_in"), TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info(name("again"), TensorProto.BOOL, []),
            helper.make_tensor_value_info(name("keep_out"), TensorProto.FLOAT, None),
        ],
    )
    one = helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])
    return [
        helper.make_node("Shape", [suppresses], [name("size")], start=0, end=1),
        helper.make_node("ConstantOfShape", [name("size")], [name("all")], value=one),
        helper.make_node("Constant", [], [name("half")], value_float=0.5),
        helper.make_node("Squeeze", [name("size")], [name("bound")]),
        helper.make_node("Loop", [name("bound"), "", name("all")], [name("keep")], body=body),
        helper.make_node("Greater", [name("keep"), name("half")], [result]),
    ]


_LOWERINGS = {"GreedyKeep": _greedy_keep}
