"""What of a bundle ONNX Runtime would compute on the CPU beside a GPU."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from onnx import TensorProto, helper

from mapt.contract import BY_NAME
from mapt.doctor.placement import check_placement, count_loops, describe, off_the_gpu
from mapt.errors import InputError
from mapt.runtime.bundle.manifest import read_bundle


def test_no_node_of_a_bundle_is_on_the_cpu_and_only_suppression_asks_the_host(bundle: Path) -> None:
    read = read_bundle(bundle)
    assert not any(off_the_gpu(read, name) for name in BY_NAME)
    loops = {name: count_loops(read, name) for name in BY_NAME}
    assert loops == {**dict.fromkeys(BY_NAME, 0), "instance": 2}
    told = describe(read)
    assert (
        told == "every node has a CUDA kernel; the host ends a Loop after each round: 2 in instance"
    )


def planted() -> Any:
    """A graph that limits whole numbers, which CUDA's Clip does not, and folds another Clip."""
    nodes = [
        helper.make_node("Clip", ["x", "low"], ["a"]),
        helper.make_node("Clip", ["low", "low"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    whole = [helper.make_tensor_value_info(n, TensorProto.INT32, [2]) for n in ("x", "y")]
    low = helper.make_tensor("low", TensorProto.INT32, [], [0])
    graph = helper.make_graph(nodes, "g", whole[:1], whole[1:], [low])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    contents = SimpleNamespace(read=lambda _: model.SerializeToString())
    return SimpleNamespace(graphs={"motion": "motion.onnx"}, contents=contents)


def test_a_node_without_a_kernel_is_named_with_its_type() -> None:
    assert off_the_gpu(planted(), "motion") == {"Clip of int32": 1}
    assert describe(planted()).startswith("on the CPU motion: 1 Clip of int32; ")


def test_a_bundle_that_cannot_be_read_is_no_fault_of_this_check() -> None:
    def read() -> Any:
        raise InputError("no bundle")

    found = check_placement("graphs", read)
    assert (found.state, found.detail) == ("missing", "no bundle")


@pytest.mark.parametrize("name", BY_NAME)
def test_the_default_network_is_looked_at(name: str) -> None:
    from mapt.io.pretrained import shipped_bundle

    assert off_the_gpu(read_bundle(shipped_bundle()), name) == Counter()
