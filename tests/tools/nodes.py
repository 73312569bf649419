"""Graphs of a single operator, on ONNX Runtime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from mapt.ops.nodes import DOMAIN, VERSION
from mapt.runtime.bundle.requirements import runnable_here

Tensors = Mapping[str, Tensor]
Numbers = Mapping[str, int | float | Sequence[int]]  # attributes


def one_node(
    kind: str,
    inputs: Tensors,
    shape: tuple[int, ...],
    attributes: Numbers | None = None,
    constants: Tensors | None = None,
) -> onnx.ModelProto:
    """Create a model of one of MAPT's operators.

    It reads `inputs`, then `constants`, and gives "out".
    """
    constants = constants or {}
    node = helper.make_node(
        kind, [*inputs, *constants], ["out"], domain=DOMAIN, **dict[str, Any](attributes or {})
    )
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(value.shape))
            for name, value in inputs.items()
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value.numpy(), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def open_session(
    model: onnx.ModelProto | bytes, library: Path | None = None, threads: int = 1
) -> Any:
    """Open an `InferenceSession` on the CPU.

    Without a number of threads it would start one for each of the machine's cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    if library:
        options.register_custom_ops_library(str(library))
    content = model if isinstance(model, bytes) else model.SerializeToString()
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:
        if "DeformConv(19)" in str(error) and runnable_here() != "standard":
            pytest.skip("this ONNX Runtime has no DeformConv, which bundles of `standard` state")
        raise


def run(
    model: onnx.ModelProto, inputs: Tensors, library: Path | None = None, threads: int = 2
) -> Tensor:
    """What the model gives for these inputs."""
    session = open_session(model, library, threads)
    return torch.from_numpy(
        session.run(None, {k: np.ascontiguousarray(v.numpy()) for k, v in inputs.items()})[0]
    )
