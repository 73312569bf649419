"""Runs single ONNX nodes on ONNX Runtime's CPU provider, to compare the compiled operators with."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor

from mapt.bench.kernels.case import STRIDES, Call
from mapt.export.lowering.lowering import lower
from mapt.ops.nodes import DOMAIN


def make_model(
    node: onnx.NodeProto, feeds: dict[str, Tensor], constants: dict[str, Tensor]
) -> onnx.ModelProto:
    """Build an ONNX model of one node."""
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, list(t.shape)) for n, t in feeds.items()
    ]
    values = [onnx.numpy_helper.from_array(t.numpy(), n) for n, t in constants.items()]
    graph = helper.make_graph(
        [node], "one", inputs, [helper.make_empty_tensor_value_info("out")], values
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def session(
    node: onnx.NodeProto, feeds: dict[str, Tensor], constants: dict[str, Tensor], threads: int
) -> Call:
    """One ONNX node on ONNX Runtime's CPU provider."""
    model = make_model(node, feeds, constants)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    run = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    arrays: dict[str, Any] = {n: np.ascontiguousarray(t.numpy()) for n, t in feeds.items()}
    return lambda: run.run(None, arrays)


def deform_session(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    padding: int,
    dilation: int,
    groups: int,
    threads: int,
) -> Call:
    """ONNX Runtime's DeformConv."""
    attributes = {
        "pads": [padding] * 4,
        "dilations": [dilation] * 2,
        "group": groups,
        "kernel_shape": [3, 3],
    }
    node = helper.make_node(
        "DeformConv", ["x", "weight", "offset"], ["out"], None, None, None, None, **attributes
    )
    return session(node, {"x": x, "offset": offset}, {"weight": weight}, threads)


def roi_session(features: list[Tensor], boxes: Tensor, size: int, threads: int) -> Call:
    """Create a call of ONNX Runtime's RoiAlign on all levels packed into one map.

    The exported graphs pack the levels in the same way. Here they are packed beforehand, so packing
    is not timed.
    """
    feeds = {f"p{s}": f for s, f in zip(STRIDES, features, strict=True)} | {"boxes": boxes}
    node = helper.make_node(
        "MultiscaleRoiAlign",
        list(feeds),
        ["out"],
        domain=DOMAIN,
        output_size=size,
        strides=STRIDES,
        sampling_ratio=2,
    )
    model = make_model(node, feeds, {})
    lower(model, "standard")
    pool = model.graph.node.pop()
    del model.graph.output[:]
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in pool.input)
    packed = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    arrays = packed.run(None, {n: t.numpy() for n, t in feeds.items()})
    atlas, rois, image = (torch.from_numpy(a) for a in arrays)
    pool.input[:] = ["x", "rois", "image"]
    pool.output[:] = ["out"]
    return session(pool, {"x": atlas, "rois": rois}, {"image": image}, threads)
