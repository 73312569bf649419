"""Rounded filters leave the mean of every channel as it was."""

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mapt.export.precision.bias_correction import correct_biases
from mapt.export.precision.saturation import safe_ranges
from mapt.runtime.backends.protocol import Tensors


def network(groups: int, shared: bool = False) -> onnx.ModelProto:
    """One convolution 1x1, or two with the same filters and bias."""
    rng = np.random.default_rng(groups)
    weight = rng.normal(size=(6, 4 // groups, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="c", group=groups)]
    if shared:
        nodes.append(helper.make_node("Conv", ["z", "w", "b"], ["v"], name="d", group=groups))
    reads, gives = (["x", "z"], ["y", "v"]) if shared else (["x"], ["y"])
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4, 5, 7]) for name in reads],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 6, 5, 7]) for name in gives],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(rng.normal(size=6).astype(np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def means(model: onnx.ModelProto, samples: list[Tensors]) -> list[NDArray[np.float64]]:
    """The mean of each channel of each output over all samples."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = [session.run(None, dict(inputs)) for inputs in samples]
    return [
        np.mean([v.mean((0, 2, 3), dtype=np.float64) for v in values], 0)
        for values in zip(*found, strict=True)
    ]


def correct(
    model: onnx.ModelProto, samples: list[Tensors]
) -> tuple[onnx.ModelProto, dict[str, NDArray[np.float32]]]:
    """The corrected graph, and its constants."""
    weight = numpy_helper.to_array(model.graph.initializer[0])
    ranges = safe_ranges(weight) * np.float32(8)  # coarse: 5 bits
    corrected = correct_biases(model, model, samples, {"w": ranges})
    constants = {t.name: numpy_helper.to_array(t) for t in corrected.graph.initializer}
    codes = constants["w"] / (ranges / 127)[:, None, None, None]
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    assert np.abs(constants["w"] - weight).max() > 0.01
    return corrected, constants


@pytest.mark.parametrize("groups", [1, 2])
def test_means_stay_although_filters_are_rounded(groups: int) -> None:
    rng = np.random.default_rng(9)
    samples: list[Tensors] = [
        {"x": rng.uniform(0, 3, (2, 4, 5, 7)).astype(np.float32)} for _ in range(3)
    ]
    model = network(groups)
    corrected, constants = correct(model, samples)
    (want,) = means(model, samples)
    (got,) = means(corrected, samples)
    np.testing.assert_allclose(got, want, atol=1e-5)
    bias = numpy_helper.to_array(model.graph.initializer[1])
    assert np.abs(constants["b"] - bias).max() > 0.01  # with the old bias they would not


def test_a_shared_bias_is_corrected_by_the_mean_of_its_uses() -> None:
    rng = np.random.default_rng(9)
    samples: list[Tensors] = [
        {
            "x": rng.uniform(0, 3, (2, 4, 5, 7)).astype(np.float32),
            "z": rng.uniform(-1, 1, (2, 4, 5, 7)).astype(np.float32),
        }
        for _ in range(3)
    ]
    model = network(1, shared=True)
    corrected, _ = correct(model, samples)
    differences = np.subtract(means(corrected, samples), means(model, samples))
    np.testing.assert_allclose(differences.mean(axis=0), 0, atol=1e-5)
    assert np.abs(differences).max() > 0.01
