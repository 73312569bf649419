"""What may be in a graph: operators and their weights, and one kind of Loop, which ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mapt.errors import InputError
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.graphs.graph_bytes import MOST_ROUNDS, check_graph
from mapt.runtime.bundle.manifest import read_bundle

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])


def weights(name: str = "w", *, external: bool = False) -> onnx.TensorProto:
    """One float, in the file or outside."""
    tensor = numpy_helper.from_array(np.ones(1, np.float32), name)
    if external:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="secret.bin")
    return tensor


def model(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> onnx.ModelProto:
    """A model of these nodes."""
    return helper.make_model(helper.make_graph(list(nodes), "g", [X], [Y], list(tensors)))


def body(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> onnx.GraphProto:
    """The body of a Loop, which asks for another round."""
    inputs = [
        helper.make_tensor_value_info("round", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x_in", TensorProto.FLOAT, [1]),
    ]
    again = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
    x_out = helper.make_tensor_value_info("x_out", TensorProto.FLOAT, [1])
    plain = [
        helper.make_node("Identity", ["go"], ["again"]),
        helper.make_node("Neg", ["x_in"], ["x_out"]),
    ]
    return helper.make_graph([*plain, *nodes], "body", inputs, [again, x_out], list(tensors))


def loop(count: str = "bound", inner: onnx.GraphProto | None = None) -> onnx.NodeProto:
    """A Loop over x."""
    return helper.make_node("Loop", [count, "", "x"], ["y"], body=inner or body())


def bound(rounds: int) -> onnx.NodeProto:
    """The Constant that says how many rounds."""
    return helper.make_node("Constant", [], ["bound"], value_int=rounds)


def bound_tensor(rounds: int, dtype: type = np.int64) -> onnx.NodeProto:
    return helper.make_node(
        "Constant", [], ["bound"], value=numpy_helper.from_array(np.array(rounds, dtype))
    )


CHOICE = helper.make_node("If", ["c"], ["y"], then_branch=body(), else_branch=body())
SCAN = helper.make_node("Scan", ["x"], ["y"], body=body(), num_scan_inputs=1)


def sparse(inner: onnx.TensorProto) -> onnx.ModelProto:
    out = model()
    entry = out.graph.sparse_initializer.add()
    entry.values.CopyFrom(inner)
    return out


def with_function() -> onnx.ModelProto:
    out = model()
    node = helper.make_node("Neg", ["a"], ["b"])
    out.functions.append(
        helper.make_function("own", "f", ["a"], ["b"], [node], [helper.make_opsetid("", 20)])
    )
    return out


def training() -> onnx.ModelProto:
    out = model()
    out.training_info.add()
    return out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (model(tensors=(weights(external=True),)), "external data"),
        (
            model(helper.make_node("Constant", [], ["y"], value=weights(external=True))),
            "external data",
        ),
        (model(bound(3), loop(inner=body(tensors=(weights(external=True),)))), "external data"),
        (sparse(weights(external=True)), "external data"),
        (model(loop("x")), "a Loop that does not end"),
        (model(loop("")), "a Loop that does not end"),
        (model(bound(-1), loop()), "a Loop that does not end"),
        (model(bound(MOST_ROUNDS + 1), loop()), "a Loop that does not end"),
        (model(bound(2**62), loop()), "a Loop that does not end"),
        (model(bound_tensor(2**62), loop()), "a Loop that does not end"),
        (
            model(loop(), tensors=(numpy_helper.from_array(np.array(2**62), "bound"),)),
            "a Loop that does not end",
        ),
        (model(bound(3), loop(inner=body(bound(3), loop()))), "control flow"),
        (model(CHOICE), "control flow"),
        (model(SCAN), "control flow"),
        (with_function(), "a function"),
        (training(), "a training graph"),
    ],
)
def test_what_no_bundle_has_is_refused(content: onnx.ModelProto, says: str) -> None:
    with pytest.raises(
        InputError, match=rf"^motion\.onnx: holds .*{says}.*; do not use this bundle$"
    ):
        check_graph("motion.onnx", content.SerializeToString())


@pytest.mark.parametrize("constant", [bound(0), bound(MOST_ROUNDS), bound_tensor(7)])
def test_a_loop_whose_rounds_are_written_down_passes(constant: onnx.NodeProto) -> None:
    check_graph("g", model(constant, loop(), tensors=(weights(),)).SerializeToString())
    check_graph(
        "g",
        model(loop(), tensors=(numpy_helper.from_array(np.array(7), "bound"),)).SerializeToString(),
    )


def test_messages_in_parts_are_read_as_protobuf_joins_them() -> None:
    plain = model()
    hidden = model(tensors=(weights(external=True),))
    both = plain.SerializeToString() + hidden.SerializeToString()
    assert onnx.load_from_string(both).graph.initializer[0].data_location == TensorProto.EXTERNAL
    with pytest.raises(InputError, match="external data"):
        check_graph("g", both)


@pytest.mark.parametrize(
    "content", [b"\xff" * 40, b"\x3a\x7f", b"\x07", b"\x00\x00", b"\x0b\x0c", b"\x80"]
)
def test_what_is_no_onnx_file_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^g: is not an ONNX file; export the bundle again$"):
        check_graph("g", content)


def agrees(content: bytes) -> bool:
    """Does the package onnx see no external data either, wherever the check sees none?"""
    try:
        check_graph("g", content)
        read = onnx.load_from_string(content)
    except Exception:  # refused by one of them
        return True
    tensors = [*read.graph.initializer, *(a.t for n in read.graph.node for a in n.attribute)]
    return not any(t.data_location == TensorProto.EXTERNAL for t in tensors)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    original = model(
        bound(3), loop(), tensors=(weights(), weights("v", external=True))
    ).SerializeToString()
    start = data.draw(st.integers(0, len(original) - 1))
    end = data.draw(st.integers(start, min(start + 4, len(original))))
    changed = original[:start] + data.draw(st.binary(max_size=4)) + original[end:]
    try:
        check_graph("g", changed)
    except InputError as error:
        assert "\n" not in str(error)
    assert agrees(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.node.append(
            helper.make_node("Constant", [], ["z"], value=weights(external=True))
        ),
        lambda graph: graph.node.append(loop("x")),
    ],
)
def test_a_backend_refuses_it_before_onnx_runtime_sees_it(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[onnx.GraphProto], object],
) -> None:
    monkeypatch.setattr(
        "mapt.runtime.backends.ort.open_session", lambda *_: pytest.fail("a session was opened")
    )
    read = read_bundle(bundle)
    changed = onnx.load(read.graphs["motion"])
    change(changed.graph)
    onnx.save(changed, tmp_path / "motion.onnx")
    with pytest.raises(InputError, match=r"motion\.onnx: holds "):
        OrtBackend(
            replace(read, graphs={**read.graphs, "motion": tmp_path / "motion.onnx"}), 1, "cpu"
        )


def test_onnx_runtimes_own_format_is_no_onnx_file(bundle: Path, tmp_path: Path) -> None:
    read = read_bundle(bundle)
    (tmp_path / "motion.onnx").write_bytes(b"\x08\x00\x12\x00ORTM" + bytes(64))
    with pytest.raises(InputError, match=r"motion\.onnx: is not an ONNX file"):
        OrtBackend(
            replace(read, graphs={**read.graphs, "motion": tmp_path / "motion.onnx"}), 1, "cpu"
        )
