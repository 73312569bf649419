"""Corrects biases for the rounding of filters to int8.

What rounding the filters adds to the mean of a convolution is subtracted from its bias.

Rounded weights shift every output channel by sum_c e_c E[x_c], where e is the rounding error of the
filter, summed over its taps, and E[x] the mean of the input channels (Nagel et al., "Data-Free
Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2; with means
that were measured). Padding is left out of account.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mapt.cores import usable_cores
from mapt.runtime.backends.protocol import Tensors

CODES = 127  # largest code of a filter


def correct_biases(
    model: onnx.ModelProto,
    runnable: onnx.ModelProto,
    samples: list[Tensors],
    ranges: dict[str, NDArray[np.float32]],
) -> onnx.ModelProto:
    """Return a copy with filters rounded to int8 codes and biases corrected for it.

    Args:
        model: float32 graph.
        runnable: the same graph in operators that ONNX Runtime has; convolutions read the same
            names.
        samples: inputs by name, that the means are taken over.
        ranges: of every channel of the filters to be rounded, by the filters' name.
    """
    corrected = onnx.ModelProto()
    corrected.CopyFrom(model)
    graph = corrected.graph
    convolutions = [n for n in graph.node if n.op_type == "Conv" and n.input[1] in ranges]
    means = _channel_means(runnable, samples, [n.input[0] for n in convolutions])
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shifts: dict[str, list[NDArray[np.float64]]] = {}
    for node in convolutions:
        if len(node.input) > 2 and node.input[2] in constants:
            filters = numpy_helper.to_array(constants[node.input[1]])
            error = _rounded(filters, ranges[node.input[1]]) - filters
            shifts.setdefault(node.input[2], []).append(_shift(error, means[node.input[0]]))
    for name, limits in ranges.items():
        rounded = _rounded(numpy_helper.to_array(constants[name]), limits)
        constants[name].CopyFrom(numpy_helper.from_array(rounded, name))
    for name, uses in shifts.items():  # several convolutions may share a bias
        shift = np.mean(uses, axis=0).astype(np.float32)
        constants[name].CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(constants[name]) - shift, name)
        )
    return corrected


def _rounded(filters: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round filters (O,...) to the values of their int8 codes.

    The codes of channel o span [-limits[o], limits[o]].
    """
    scale = (limits / CODES).reshape(-1, *[1] * (filters.ndim - 1))
    codes = np.rint(filters / np.where(scale > 0, scale, 1))
    rounded: NDArray[np.float32] = (codes * scale).astype(np.float32)
    return rounded


def _shift(error: NDArray[np.float32], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what an error of the filters adds to the mean of each output channel, (O,).

    The error has the filters' shape (O,C/groups,kh,kw).
    """
    taps = error.astype(np.float64).sum(axis=(2, 3))
    groups = mean.size // taps.shape[1]
    means = np.repeat(mean.reshape(groups, -1), len(taps) // groups, axis=0)  # (O,C/groups)
    shift: NDArray[np.float64] = (taps * means).sum(axis=1)
    return shift


def _channel_means(
    model: onnx.ModelProto, samples: list[Tensors], names: list[str]
) -> dict[str, NDArray[np.float64]]:
    """The mean of each channel of values (N,C,h,w) by name, over all samples."""
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    axes = numpy_helper.from_array(np.array([0, 2, 3]), "mean_axes")
    watched.graph.initializer.append(axes)
    outputs = {name: f"{name}_mean" for name in dict.fromkeys(names)}
    for name, mean in outputs.items():
        node = helper.make_node("ReduceMean", [name, axes.name], [mean], keepdims=0)
        watched.graph.node.append(node)
        watched.graph.output.append(helper.make_tensor_value_info(mean, TensorProto.FLOAT, [None]))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()  # its own default counts the machine's
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    found = [session.run(list(outputs.values()), dict(inputs)) for inputs in samples]
    return {
        name: np.mean(values, axis=0, dtype=np.float64)
        for name, values in zip(outputs, zip(*found, strict=True), strict=True)
    }
