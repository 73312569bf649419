"""Counts FLOPs and parameters on a bundle's ONNX graphs, whatever their lowering and precision.

The counts must equal those of the model: the export neither loses nor adds operations.

Parameters are those of the model with its heads' batch norms folded, found in the graph by name and
size. Of some the graph has a product instead: the trunk's batch norms, a transposed convolution
written as ordinary ones, and where the lowering is not `custom`, the motion head's filters; the
temperature of Eq. 6 is for training only. Those are `folded`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx
import torch
from onnx import helper
from torch import nn

from mapt.bench.costs.counts import Operators
from mapt.bench.costs.flops import BILINEAR, count
from mapt.export.lowering.folded_subgraphs import list_subgraphs
from mapt.export.lowering.graph_rewriter import Shapes, static_shapes
from mapt.model.heads.motion import MotionHead
from mapt.model.network import Network
from mapt.ops import disabled
from mapt.ops.propagate import DILATIONS, ROI_SIZE
from mapt.runtime.bundle.manifest import Bundle

TAPS = 9
QUANTISED = "_quantized"  # ONNX Runtime's ending of an int8 weight


@dataclass(frozen=True)
class SubgraphCost:
    """The cost of one subgraph, counted on the model and on the graph.

    Attributes:
        params: of the PyTorch module with batch norms folded.
        graph_params: found in the graph under their names.
        folded: not in the graph themselves, see above.
        model: multiply-adds of the PyTorch module.
        graph: multiply-adds of the graph.
    """

    params: int
    graph_params: int
    folded: int
    model: Operators
    graph: Operators

    @property
    def agree(self) -> bool:
        """Tell whether both counts are the same."""
        return self.model == self.graph and self.params == self.graph_params + self.folded


def count_bundle(bundle: Bundle, network: Network) -> dict[str, SubgraphCost]:
    """Count every subgraph of a bundle beside the network it was exported from."""
    out: dict[str, SubgraphCost] = {}
    for subgraph in list_subgraphs(network, bundle.info):
        model = onnx.load_from_string(bundle.contents.read(bundle.graphs[subgraph.spec.name]))
        with torch.inference_mode(), disabled():
            _, operators = count(subgraph.module, *subgraph.examples)
        inside = {t.name.removesuffix(QUANTISED): tuple(t.dims) for t in model.graph.initializer}
        named = dict(subgraph.module.named_parameters())
        absent = [name for name, p in named.items() if inside.get(name) != tuple(p.shape)]
        folded = sum(named[name].numel() for name in absent if _folds(subgraph.module, name))
        params, missing = (sum(named[name].numel() for name in names) for names in (named, absent))
        out[subgraph.spec.name] = SubgraphCost(
            params, params - missing, folded, operators, count_graph(model)
        )
    return out


def _folds(module: nn.Module, name: str) -> bool:
    """Tell whether the graph may hold this parameter folded into others, or not at all."""
    owner = module.get_submodule(name.rpartition(".")[0])
    products = isinstance(owner, (nn.BatchNorm2d, nn.ConvTranspose2d, MotionHead))
    return products or module.get_parameter(name).ndim == 0


def count_graph(model: onnx.ModelProto) -> Operators:
    """Multiply-adds of a graph with static shapes; what is inside a Loop is left out."""
    shapes = static_shapes(model)
    total = Operators()
    for node in model.graph.node:
        if node.op_type in _COUNTS:
            total += _COUNTS[node.op_type](node, shapes)
    return total


def _conv(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    kernel = shapes[node.input[1]][1:]  # channels of a group, height, width
    return Operators(convolution=math.prod(shapes[node.output[0]]) * math.prod(kernel))


def _gemm(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    inner = shapes[node.input[0]][0 if _attribute(node, "transA", 0) else 1]
    return Operators(linear=math.prod(shapes[node.output[0]]) * inner)


def _matmul(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    return Operators(product=math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1])


def _deform_conv(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    batch, channels, *_ = shapes[node.input[0]]
    _, per_group, *kernel = shapes[node.input[1]]
    out = shapes[node.output[0]]
    samples = batch * channels * math.prod(out[2:]) * math.prod(kernel)
    return Operators(
        product=math.prod(out) * per_group * math.prod(kernel), sample=BILINEAR * samples
    )


def _roi_align(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    ratio = _attribute(node, "sampling_ratio", 0)
    return Operators(sample=BILINEAR * math.prod(shapes[node.output[0]]) * ratio * ratio)


def _grid_sample(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    return Operators(sample=BILINEAR * math.prod(shapes[node.output[0]]))


def _propagate(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    taps = len(DILATIONS) * TAPS * math.prod(shapes[node.input[0]])
    return Operators(product=taps, sample=BILINEAR * taps)


def _features(node: onnx.NodeProto, shapes: Shapes) -> Operators:
    """As if whole maps were made and pooled; the kernel computes what lies inside the boxes."""
    taps = len(DILATIONS) * TAPS * math.prod(shapes[node.input[0]])
    filters = shapes[node.input[2]][1]
    pooled = shapes[node.input[0]][0] * len(DILATIONS) * filters * ROI_SIZE**2 * 4
    return Operators(product=taps * filters, sample=BILINEAR * (taps + pooled))


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    values: Iterator[int] = (
        helper.get_attribute_value(a) for a in node.attribute if a.name == name
    )
    return next(values, default)


_COUNTS: dict[str, Callable[[onnx.NodeProto, Shapes], Operators]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "DeformConv": _deform_conv,
    "RoiAlign": _roi_align,
    "MultiscaleRoiAlign": _roi_align,
    "GridSample": _grid_sample,
    "PropagateMasks": _propagate,
    "PropagatedFeatures": _features,
}
