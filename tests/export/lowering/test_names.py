"""Every node of every exported graph has a name of its own."""

from collections import Counter
from typing import get_args

import onnx
import pytest

from mapt.contract import SUBGRAPHS
from mapt.export.lowering.folded_subgraphs import list_subgraphs
from mapt.export.lowering.graph_rewriter import every_node, name_nodes, static_shapes
from mapt.export.lowering.lowering import Lowering
from mapt.export.lowering.matmul_free import remove_products
from mapt.export.lowering.tracing import finish, trace
from mapt.export.precision.mixed_precision import Converter
from mapt.io.pretrained import shipped_weights
from mapt.model.subgraphs import model_info
from mapt.model.weights import load_weights
from mapt.runtime.backends.protocol import Tensors

Finished = dict[tuple[str, str], onnx.ModelProto]


def names(model: onnx.ModelProto) -> list[str]:
    """Of nodes without a name, or with another's."""
    found = Counter(node.name for node in every_node(model.graph))
    return [name or "(none)" for name, count in found.items() if count > 1 or not name]


@pytest.fixture(scope="module")
def finished() -> Finished:
    """The shipped network's float32 graphs by subgraph and lowering."""
    network = load_weights(shipped_weights())
    info = model_info(network.config, network.backbone.channels[2])
    graphs: Finished = {}
    for subgraph in list_subgraphs(network, info):
        traced = trace(subgraph)
        for lowering in get_args(Lowering):
            graphs[subgraph.spec.name, lowering] = finish(traced, subgraph, info, lowering)
    return graphs


LOWERINGS = pytest.mark.parametrize("lowering", get_args(Lowering))
HEADS = pytest.mark.parametrize("head", [spec.name for spec in SUBGRAPHS])


@LOWERINGS
@HEADS
def test_in_float32(finished: Finished, head: str, lowering: str) -> None:
    assert names(finished[head, lowering]) == []


@LOWERINGS
@HEADS
def test_in_float16(
    finished: Finished, samples: dict[str, list[Tensors]], head: str, lowering: str
) -> None:
    assert names(Converter("fp16", samples)(head, finished[head, lowering])) == []


@pytest.mark.parametrize("symmetric", [False, True])
@HEADS
def test_in_int8(
    finished: Finished, samples: dict[str, list[Tensors]], head: str, symmetric: bool
) -> None:
    assert names(Converter("int8", samples)(head, finished[head, "gridsample"], symmetric)) == []


@HEADS
def test_for_turing(finished: Finished, head: str) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(finished[head, "gridsample"])
    remove_products(model, static_shapes(model))
    assert names(model) == []


def test_names_that_are_there_stay_and_inner_graphs_count() -> None:
    make = onnx.helper.make_node
    body = onnx.helper.make_graph(
        [make("Neg", ["x"], ["kept"]), make("Neg", ["x"], ["b"], name="same")], "body", [], []
    )
    graph = onnx.helper.make_graph(
        [
            make("Loop", ["n", "", "x"], ["y"], body=body),
            make("Neg", ["y"], ["z"], name="kept"),
            make("Neg", ["y"], ["w"], name="same"),
        ],
        "outer",
        [],
        [],
    )
    name_nodes(graph)
    assert [node.name for node in every_node(graph)] == ["y", "kept_", "same", "kept", "w"]
