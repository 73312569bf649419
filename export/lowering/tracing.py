"""Traces a subgraph, lowers it, and checks the resulting ONNX model."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import onnx
import torch

from mapt.contract import ModelInfo, SubgraphSpec, TensorSpec, list_specs
from mapt.export.lowering.folded_subgraphs import Subgraph
from mapt.export.lowering.lowering import Device, Lowering, lower
from mapt.export.lowering.repeated import repeat_graph
from mapt.export.lowering.unroll_conv_transpose import unroll_transposed
from mapt.ops.nodes import DOMAIN

OPSET = 20  # DeformConv needs 19, half-pixel RoiAlign 16


def trace(subgraph: Subgraph) -> onnx.ModelProto:
    """The graph of a subgraph with static shapes and MAPT's own nodes, which `finish` lowers."""
    with _quiet():
        program = torch.onnx.export(
            subgraph.module,
            subgraph.examples,
            dynamo=True,
            opset_version=OPSET,
            input_names=[t.name for t in subgraph.spec.inputs],
            output_names=[t.name for t in subgraph.spec.outputs],
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def finish(
    traced: onnx.ModelProto,
    subgraph: Subgraph,
    info: ModelInfo,
    lowering: Lowering,
    device: Device = "cpu",
) -> onnx.ModelProto:
    """A lowered and checked copy of a traced graph.

    The same weights and library versions give the same bytes.

    Raises:
        RuntimeError: the result is not valid ONNX or breaks the contract; a fault of this program,
            not of its user.
    """
    model = onnx.ModelProto()
    model.CopyFrom(traced)
    lower(model, lowering, device)
    unroll_transposed(model)
    _strip(model)
    spec = subgraph.spec
    if subgraph.copies > 1:
        repeat_graph(model, spec, info.sizes, subgraph.copies)
        spec = next(s for s in list_specs(subgraph.copies) if s.name == spec.name)
    _check(model, spec, info, lowering)
    return model


def _strip(model: onnx.ModelProto) -> None:
    """Drop what differs from machine to machine.

    That is stack traces, file paths, and shapes that can be inferred.
    """
    graphs = [model.graph]
    for graph in graphs:
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
            graphs += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
        for value in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
            del value.metadata_props[:]
            value.doc_string = ""
        own = {name for node in graph.node if node.domain == DOMAIN for name in node.output}
        kept = [
            value for value in graph.value_info if value.name in own
        ]  # no runtime can infer these
        del graph.value_info[:]
        graph.value_info.extend(kept)
        del graph.metadata_props[:]
    del model.metadata_props[:]
    model.doc_string = ""
    model.producer_name = "mapt"
    model.producer_version = ""


def _check(model: onnx.ModelProto, spec: SubgraphSpec, info: ModelInfo, lowering: Lowering) -> None:
    name = spec.name
    onnx.checker.check_model(model, full_check=True)
    domains = {"", DOMAIN} if lowering == "custom" else {""}
    left = {
        n.op_type
        for n in model.graph.node
        if n.op_type == "BatchNormalization" or n.domain not in domains
    }
    if left:
        raise RuntimeError(f"{name}: {sorted(left)} left in the graph")
    for expected, found in (
        (spec.inputs, model.graph.input),
        (spec.outputs, model.graph.output),
    ):
        have = [_described(value) for value in found]
        want = [_expected(tensor, info) for tensor in expected]
        if have != want:
            raise RuntimeError(f"{name}: exported tensors {have} are not the contract's {want}")


def _described(value: onnx.ValueInfoProto) -> tuple[str, str, tuple[int, ...]]:
    tensor = value.type.tensor_type
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return value.name, dtype, tuple(d.dim_value for d in tensor.shape.dim)


def _expected(tensor: TensorSpec, info: ModelInfo) -> tuple[str, str, tuple[int, ...]]:
    return tensor.name, tensor.dtype, tensor.resolve(info.sizes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the log messages, warnings and prints of PyTorch's exporter."""
    noisy = [
        logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")
    ]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    with (
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
    ):  # onnxscript before 0.7 prints what it rewrote
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for logger, level in zip(noisy, levels, strict=True):
                logger.setLevel(level)
