"""Runs the toy operator; the test copies this file into the copy that it built."""

import importlib
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from mapt import ops
from mapt.export.lowering.lowering import Lowering, lower
from mapt.runtime.backends.operators import find_library

scale_by: Any = importlib.import_module("mapt.ops").scale_by


class Scaled(torch.nn.Module):
    """A graph of the operator alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Three times x."""
        result: torch.Tensor = scale_by(x, 3)
        return result


def run(model: onnx.ModelProto, x: torch.Tensor) -> NDArray[np.float32]:
    """On ONNX Runtime, with the operators built here."""
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(find_library()[0]))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    result: NDArray[np.float32] = session.run(None, {"x": x.numpy()})[0]
    return result


def main() -> None:
    """PyTorch, PyTorch's own checks, the exported node and what it is lowered to."""
    x = torch.randn(5, 7, 11, generator=torch.Generator().manual_seed(0))
    assert ops.implementation().startswith("compiled")
    for values in (x, x.double(), x.half()):
        assert torch.equal(scale_by(values, 3), values * 3)
    torch.library.opcheck(torch.ops.mapt.scale_by.default, (x, 3))
    program = torch.onnx.export(
        Scaled(), (x,), dynamo=True, opset_version=20, input_names=["x"], verbose=False
    )
    assert program is not None
    wanted: dict[Lowering, list[str]] = {"custom": ["ScaleBy"], "standard": ["Mul"]}
    for lowering, kinds in wanted.items():
        model = onnx.ModelProto()
        model.CopyFrom(program.model_proto)
        lower(model, lowering)
        assert [n.op_type for n in model.graph.node] == kinds
        np.testing.assert_array_equal(run(model, x), (x * 3).numpy())
    print("scaled")


main()
