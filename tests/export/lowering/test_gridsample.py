"""The gridsample lowering.

It is compared with DeformConv and RoiAlign of ONNX Runtime, and with PyTorch on the whole network.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mapt.contract import SUBGRAPHS
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.bundle.compare_outputs import compare
from mapt.export.lowering.graph_rewriter import static_shapes
from mapt.export.lowering.gridsample import lower_gridsample
from mapt.export.lowering.matmul_free import remove_products
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import read_bundle
from tests.tools.nodes import open_session

Arrays = dict[str, NDArray[np.generic]]


def both(
    node: onnx.NodeProto, inputs: Arrays, constants: Arrays, shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], ...]:
    """The node's result as it is, and lowered."""
    results = []
    for lowered in (False, True):
        graph = helper.make_graph(
            [node],
            "one",
            [
                helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
                for k, v in inputs.items()
            ],
            [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(v, k) for k, v in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        model.ir_version = 10
        if lowered:
            lower_gridsample(model)
            assert not {n.op_type for n in model.graph.node} & {"DeformConv", "RoiAlign"}
        onnx.checker.check_model(model, full_check=True)
        session = open_session(model)
        results.append(session.run(None, inputs)[0])
    return tuple(results)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("channels", "filters", "groups", "stride", "padding", "dilation"),
    [
        (1, 3, 1, 1, 1, 1),
        (4, 8, 4, 1, 3, 3),
        (4, 6, 2, 1, 0, 1),
        (2, 2, 1, 2, 1, 1),
        (5, 5, 5, 1, 12, 12),
    ],
)
def test_deform_conv(
    channels: int, filters: int, groups: int, stride: int, padding: int, dilation: int, bias: bool
) -> None:
    rng = np.random.default_rng(channels * 100 + dilation)
    height = 11
    width = 17
    rows, columns = ((n + 2 * padding - 2 * dilation - 1) // stride + 1 for n in (height, width))
    inputs: Arrays = {
        "x": rng.normal(size=(2, channels, height, width)).astype(np.float32),
        "w": rng.normal(size=(filters, channels // groups, 3, 3)).astype(np.float32),
        "o": rng.normal(0, 4, size=(2, 18, rows, columns)).astype(np.float32),  # far outside, too
    }
    if bias:
        inputs["b"] = rng.normal(size=filters).astype(np.float32)
    node = helper.make_node(
        "DeformConv",
        list(inputs),
        ["y"],
        group=groups,
        kernel_shape=[3, 3],
        pads=[padding] * 4,
        strides=[stride] * 2,
        dilations=[dilation] * 2,
    )
    own, lowered = both(node, inputs, {}, (2, filters, rows, columns))
    np.testing.assert_allclose(lowered, own, atol=2e-5 * np.abs(own).max())


def roi_node(index: str) -> onnx.NodeProto:
    return helper.make_node(
        "RoiAlign",
        ["x", "r", index],
        ["y"],
        output_height=7,
        output_width=7,
        sampling_ratio=2,
        spatial_scale=0.125,
    )


def boxes_inside(
    rng: np.random.Generator, count: int, height: int, width: int
) -> NDArray[np.float32]:
    corners = rng.uniform(0, 1, (count, 2, 2)) * (width * 8, height * 8)
    boxes = np.concatenate((corners.min(1), corners.max(1)), 1)
    boxes[0] = (0, 0, width * 8, height * 8)
    boxes[1] = 0  # no area
    return boxes.astype(np.float32)


def test_roi_align_of_one_image() -> None:
    rng = np.random.default_rng(1)
    inputs: Arrays = {
        "x": rng.normal(size=(1, 6, 12, 20)).astype(np.float32),
        "r": boxes_inside(rng, 30, 12, 20),
    }
    own, lowered = both(roi_node("i"), inputs, {"i": np.zeros(30, np.int64)}, (30, 6, 7, 7))
    np.testing.assert_allclose(lowered, own, atol=1e-4)


def test_roi_align_of_one_box_an_image() -> None:
    rng = np.random.default_rng(2)
    inputs: Arrays = {
        "x": rng.normal(size=(9, 3, 12, 20)).astype(np.float32),
        "r": boxes_inside(rng, 9, 12, 20),
    }
    own, lowered = both(roi_node("i"), inputs, {"i": np.arange(9)}, (9, 3, 7, 7))
    np.testing.assert_allclose(lowered, own, atol=1e-4)
    with pytest.raises(RuntimeError, match="RoiAlign of this form has no lowering"):
        both(roi_node("i"), inputs, {"i": np.zeros(9, np.int64)}, (9, 3, 7, 7))


def test_the_network_is_the_same(gridsample: Path) -> None:
    bundle = read_bundle(gridsample)
    assert bundle.lowering == "gridsample"
    kinds = {n.op_type for path in bundle.graphs.values() for n in onnx.load(path).graph.node}
    assert "GridSample" in kinds and not kinds & {
        "DeformConv",
        "RoiAlign",
        "NonMaxSuppression",
        "NonZero",
    }
    found = compare(TorchBackend.load(gridsample / "weights.safetensors"), OrtBackend(bundle))
    assert [d.subgraph for d in found] == [s.name for s in SUBGRAPHS]
    assert max(d.relative for d in found) < 2e-4


def test_without_matrix_products_it_is_the_same_too(gridsample: Path, tmp_path: Path) -> None:
    """What TensorRT gets for Turing."""
    bundle = read_bundle(gridsample)
    graphs = {}
    for name, path in bundle.graphs.items():
        model = onnx.load(path)
        remove_products(model, static_shapes(model))
        onnx.checker.check_model(model, full_check=True)
        assert not all_kinds(model.graph) & {"Gemm", "MatMul"}
        graphs[name] = tmp_path / f"{name}.onnx"
        onnx.save(model, graphs[name])
    found = compare(
        TorchBackend.load(gridsample / "weights.safetensors"),
        OrtBackend(replace(bundle, graphs=graphs)),
    )
    assert max(d.relative for d in found) < 2e-4


def all_kinds(graph: onnx.GraphProto) -> set[str]:
    """Operators of a graph and of the graphs in it."""
    inner = [a.g for n in graph.node for a in n.attribute if a.type == onnx.AttributeProto.GRAPH]
    return {n.op_type for n in graph.node}.union(*map(all_kinds, inner))
