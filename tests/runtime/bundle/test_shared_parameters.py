"""Graphs whose parameters lie in one file get them back exactly, and nothing else."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mapt.errors import InputError
from mapt.runtime.bundle.graphs.shared_parameters import restore_parameters

VALUES = np.arange(100, dtype=np.float32)
BYTES = VALUES.tobytes()


def model(**entries: str) -> bytes:
    """A graph y = x + w whose w lies elsewhere, as the entries say; without any it is inside."""
    w = numpy_helper.from_array(VALUES, "w")
    if entries:
        w.ClearField("raw_data")
        for key, value in entries.items():
            w.external_data.add(key=key, value=value)
        w.data_location = TensorProto.EXTERNAL
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [100]) for name in "xy"]
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", shape[:1], shape[1:], [w], doc_string="a graph")
    return bytes(helper.make_model(graph).SerializeToString(deterministic=True))


def at(offset: int | str, length: int | str = 400, location: str = "parameters.bin") -> bytes:
    return model(location=location, offset=str(offset), length=str(length))


def test_the_restored_graph_is_the_one_with_its_parameters_inside() -> None:
    restored = restore_parameters("g", at(64), b"\0" * 64 + BYTES + b"behind")
    assert restored == model()
    assert np.array_equal(
        numpy_helper.to_array(onnx.load_from_string(restored).graph.initializer[0]), VALUES
    )


def test_a_graph_that_refers_to_nothing_stays_as_it_is() -> None:
    assert restore_parameters("g", model(), b"") == model()


@pytest.mark.parametrize(
    "graph",
    [
        at(0, location="../parameters.bin"),
        at(0, location="/etc/passwd"),
        at(1),
        at(0, 401),
        at(-1),
        at("1e1"),
        at("9" * 30),
        at(0, ""),
        model(location="parameters.bin"),
        b"no graph",
        at(0)[:-3],
    ],
)
def test_any_other_reference_is_refused(graph: bytes) -> None:
    with pytest.raises(InputError, match=r"g\.onnx: is not an ONNX file with parameters"):
        restore_parameters("g.onnx", graph, BYTES)


def test_a_small_file_cannot_refer_to_the_same_bytes_over_and_over() -> None:
    many = onnx.load_from_string(at(0))
    for _ in range(2):
        many.graph.initializer.append(many.graph.initializer[0])
    with pytest.raises(InputError, match="is not an ONNX file"):
        restore_parameters("g.onnx", many.SerializeToString(), BYTES)
