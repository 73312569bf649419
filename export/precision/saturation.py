"""Keeps the products of int8 filters from saturating.

So a graph gives the same results on every processor.

x86 processors without VNNI multiply int8 by `vpmaddubsw`: it adds the products of two neighbours in
16 bits and saturates (ONNX Runtime's MLAS: `QgemmU8X8KernelAvx2`, `ConvSymKernelAvx2`). Which
weights are neighbours depends on the kernel. So the bound holds for any two weights of a filter,
beside the largest code that an activation can have:

    255 * max(p1 + p2, n1 + n2) <= 32767

p1, p2 are the two largest positive weights of the filter, n1, n2 the two largest negative ones,
without their sign. Products of different signs cancel and need no bound.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from mapt.runtime.bundle.manifest import PAIR_LIMIT

WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}  # what multiplies by int8 codes
# Largest activation code. Signed codes count as unsigned ones: x86 kernels add 128 to them first.
LARGEST_CODE: dict[int, int] = {TensorProto.UINT8: 255, TensorProto.INT8: 255}


def largest_pairs(filters: NDArray[np.generic]) -> NDArray[np.float64]:
    """The largest sum of two weights of one sign in each filter, without its sign.

    Args:
        filters: (O,...) weights or their codes.

    Returns:
        (O,) float64, at least the largest absolute weight of each filter.
    """
    flat = filters.reshape(len(filters), -1).astype(np.float64)
    sums = [np.sort(side.clip(min=0), axis=1)[:, -2:].sum(axis=1) for side in (flat, -flat)]
    largest: NDArray[np.float64] = np.maximum(*sums)
    return largest


def safe_ranges(filters: NDArray[np.float32]) -> NDArray[np.float32]:
    """The range that each filter has to be quantised over so that no pair of its codes saturates.

    With this range and codes -127..127 two weights of one sign add up to 127 at most, and to 128
    once both were rounded up: 255 * 128 = 32640. A filter that has one large weight keeps nearly
    all of its 8 bits, one with two equal ones keeps 7.

    Args:
        filters: (O,...) float32.

    Returns:
        (O,) float32: filter o is quantised over [-range, range].
    """
    return largest_pairs(filters).astype(np.float32)


def worst_pair_sum(model: onnx.ModelProto) -> int:
    """The largest sum of two products that any int8 convolution of a finished graph can have.

    Args:
        model: graph with QuantizeLinear and DequantizeLinear.

    Returns:
        Largest absolute sum; 0 where nothing computes in int8.

    Raises:
        RuntimeError: an int8 node of which no bound can be given: filters that are not constant,
            or codes of other types.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    dequantized = {n.output[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    types = _code_types(model.graph)
    worst = 0
    for node in model.graph.node:
        if node.op_type not in WEIGHTED or not dequantized.keys() >= set(node.input[:2]):
            continue
        activation, weight = (dequantized[name].input[0] for name in node.input[:2])
        if weight not in constants or types.get(activation) not in LARGEST_CODE:
            raise RuntimeError(f"{node.name}: no bound on its int8 products can be given")
        codes = numpy_helper.to_array(constants[weight])
        if node.op_type != "Conv":  # filters lie along other axes: any two weights count as a pair
            codes = codes.reshape(1, -1)
        pair = int(largest_pairs(codes).max(initial=0))
        worst = max(worst, LARGEST_CODE[types[activation]] * pair)
    return worst


def check_pair_sums(model: onnx.ModelProto) -> None:
    """Refuse a graph whose int8 products can saturate.

    Raises:
        RuntimeError: with the sum and the limit.
    """
    worst = worst_pair_sum(model)
    if worst > PAIR_LIMIT:
        raise RuntimeError(
            f"int8: two products can add up to {worst}, more than the {PAIR_LIMIT} that processors "
            "without VNNI hold; such a graph would mean something else there"
        )


def _code_types(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the type of every value that DequantizeLinear reads.

    It is the type of the node's zero point.
    """
    constants = {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {
        node.input[0]: constants[node.input[2]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and len(node.input) > 2 and node.input[2] in constants
    }
