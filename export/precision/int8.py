"""Quantises graphs to int8 with ONNX Runtime's static quantisation.

Q/DQ nodes surround the convolutions. The ranges come from frames that the tracker ran on.
"""

from __future__ import annotations

import inspect
import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mapt.errors import InputError
from mapt.export.lowering.graph_rewriter import drop_unused, name_nodes
from mapt.export.lowering.lowering import lower
from mapt.export.precision.bias_correction import correct_biases
from mapt.export.precision.fp16 import select
from mapt.export.precision.saturation import check_pair_sums, safe_ranges
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.protocol import Backend, Tensors, on_host
from mapt.runtime.bundle.requirements import onnxruntime_version, runnable_here

KINDS = ["Conv", "Add", "Relu", "Clip"]
MEASURED = [
    *KINDS,
    "Softmax",
]  # before 1.21 ONNX Runtime's quantiser asks for a range of these, too, in any graph
SAMPLES = 24  # calls of each subgraph that its ranges are taken from
PERIOD_NS = 100_000_000


class RangeRecorder:
    """A backend that records the inputs of another backend's subgraphs.

    Attributes:
        samples: up to `SAMPLES` inputs of each subgraph, of its even calls.
    """

    name = "recorder"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.info = backend.info
        self.providers = backend.providers
        self.samples: dict[str, list[Tensors]] = {}
        self.calls: dict[str, int] = {}

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        kept = self.samples.setdefault(subgraph, [])
        call = self.calls.get(subgraph, 0)
        if call % 2 == 0 and len(kept) < SAMPLES:
            kept.append({name: on_host(value).copy() for name, value in inputs.items()})
        self.calls[subgraph] = call + 1
        return self.backend.run(subgraph, inputs)


def record(
    backend: Backend, sequences: Iterable[Iterable[NDArray[np.uint8]]]
) -> dict[str, list[Tensors]]:
    """Track sequences of (H,W,3) uint8 frames and return samples of every subgraph's inputs.

    Raises:
        InputError: some subgraph never ran: nothing was detected in these frames.
    """
    recorder = RangeRecorder(backend)
    for sequence in sequences:
        tracker = PanopticTracker(recorder)
        for number, image in enumerate(sequence):
            tracker.step(image, number * PERIOD_NS)
    if "appearance" not in recorder.samples:
        raise InputError(
            "calibration: nothing was detected in its frames; give others with --calibrate"
        )
    return recorder.samples


def quantize(
    model: onnx.ModelProto, samples: list[Tensors], symmetric: bool = False
) -> onnx.ModelProto:
    """Return a copy of a float32 graph that computes in int8.

    The convolutions, and the sums and activations between them, compute in int8.

    Args:
        model: finished graph.
        samples: inputs by name.
        symmetric: signed activations with zero point 0 and float32 biases, the only ones TensorRT
            takes; else unsigned activations and int32 biases, which are faster on a CPU. The
            filters are the same for both: the gate judges those of the second.

    Returns:
        The graph with Q/DQ; filters per channel, inputs and outputs float32. The same model and
        samples give the same bytes. Its integer products are the same on every processor, see
        `mapt.export.precision.saturation`.

    Raises:
        RuntimeError: products of the finished graph can saturate.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class CalibrationReader(CalibrationDataReader):  # type: ignore[misc]  # not typed
        def __init__(self) -> None:
            self.left = iter(samples)

        def get_next(self) -> Tensors | None:
            return next(self.left, None)

    names = [node.name for node in select(model.graph) if node.op_type in KINDS]
    if not names:
        return model
    filters = _filter_ranges(model.graph, names)
    runnable = _standard(model) if any(node.domain for node in model.graph.node) else model
    model = correct_biases(model, runnable, samples, filters)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "float.onnx")
        target = Path(folder, "int8.onnx")
        ranges = {}
        if any(node.domain for node in model.graph.node):
            _check_quantizer(quantize_static)
            ranges = {"calibration_cache_path": Path(folder, "ranges.json")}
        logging.disable(logging.WARNING)  # it recommends a step that the exporter has done
        try:
            for form in [_standard(model), model] if ranges else [model]:
                onnx.save(form, source)
                quantize_static(
                    source,
                    target,
                    CalibrationReader(),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_quantize=names,
                    op_types_to_quantize=MEASURED,
                    extra_options={
                        "ActivationSymmetric": symmetric,
                        "WeightSymmetric": True,
                        "QuantizeBias": not symmetric,
                        "TensorQuantOverrides": _overrides(filters),
                    },
                    **ranges,
                )
        finally:
            logging.disable(logging.NOTSET)
        quantized: onnx.ModelProto = onnx.load(target)
    if not symmetric:
        _take_bytes(quantized.graph)
    drop_unused(quantized.graph)
    name_nodes(quantized.graph)
    check_pair_sums(quantized)
    quantized.producer_name = model.producer_name
    quantized.producer_version = model.producer_version
    return quantized


def _filter_ranges(graph: onnx.GraphProto, names: list[str]) -> dict[str, NDArray[np.float32]]:
    """The range (O,) of every filter of the convolutions in `names`, by the filters' name."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = (node for node in graph.node if node.op_type == "Conv" and node.name in names)
    read = (node.input[1] for node in convolutions if node.input[1] in constants)
    return {name: safe_ranges(numpy_helper.to_array(constants[name])) for name in read}


def _overrides(filters: dict[str, NDArray[np.float32]]) -> dict[str, list[dict[str, Any]]]:
    """Convert ranges to the form that ONNX Runtime's quantiser takes."""
    from onnxruntime.quantization import QuantType

    shared = {"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True}
    return {
        name: [{**shared, "rmin": -limit, "rmax": limit} for limit in ranges]
        for name, ranges in filters.items()
    }


def _check_quantizer(quantize_static: Callable[..., Any]) -> None:
    """Refuse to quantise around MAPT's own operators if the quantiser is too old for that.

    It must accept ranges that were measured on another form of the graph.
    """
    if "calibration_cache_path" not in inspect.signature(quantize_static).parameters:
        raise InputError(
            f"--ops custom --precision int8: ONNX Runtime {onnxruntime_version()} cannot quantise"
            " around MAPT's operators; update it, or export with --ops gridsample"
        )


def _standard(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy without MAPT's own operators, which calibration does not know.

    The tensors that are measured keep their names.
    """
    copy = onnx.shape_inference.infer_shapes(model)  # graphs of a file lack the inner shapes
    lower(copy, runnable_here())
    return copy


def _take_bytes(graph: onnx.GraphProto) -> None:
    """Let the first convolution read the image's bytes, in place.

    DequantizeLinear computes (x - 127) / 128 itself.

    Only where all channels share the numbers, and the mean is one that a byte can be.
    """
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    for first in [n for n in graph.node if n.op_type == "QuantizeLinear"]:
        chain: list[onnx.NodeProto] = []
        name = first.input[0]
        while name in producers and len(chain) < 4:
            chain.append(producers[name])
            name = chain[-1].input[0]
        if [n.op_type for n in chain] != ["Mul", "Sub", "Transpose", "Cast"]:
            continue
        scale = constants[chain[0].input[1]]
        mean = constants[chain[1].input[1]]
        if scale.size != 1 or mean.size != 1 or mean != mean.astype(np.uint8):
            continue
        behind = next(n for n in graph.node if n.input and n.input[0] == first.output[0])
        graph.initializer.append(numpy_helper.from_array(scale.reshape(()), "image_scale"))
        graph.initializer.append(
            numpy_helper.from_array(mean.reshape(()).astype(np.uint8), "image_mean")
        )
        turned = helper.make_node(
            "Transpose", [name], ["image_bytes"], name="image_bytes", perm=[0, 3, 1, 2]
        )
        behind.input[:] = ["image_bytes", "image_scale", "image_mean"]
        graph.node.insert(0, turned)
        for unused in (first, *chain):
            graph.node.remove(unused)
