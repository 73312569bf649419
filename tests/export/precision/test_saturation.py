"""int8 filters mean the same where pairs of products saturate at 16 bits as where they do not."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mapt.contract import SUBGRAPHS
from mapt.export.precision import int8
from mapt.export.precision.int8 import quantize
from mapt.export.precision.saturation import (
    check_pair_sums,
    largest_pairs,
    safe_ranges,
    worst_pair_sum,
)
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.bundle.manifest import PAIR_LIMIT

NAMES = [spec.name for spec in SUBGRAPHS]
Codes = NDArray[np.integer[Any]]


def exact(activations: Codes, filters: Codes) -> Codes:
    """Compute sums of products as processors with VNNI do, in 32 bits.

    The products are (O,K) uint8 times (O,K) int8.
    """
    products: Codes = activations.astype(np.int32) * filters.astype(np.int32)
    sums: Codes = products.sum(axis=1, dtype=np.int32)
    return sums


def saturating(activations: Codes, filters: Codes) -> Codes:
    """Compute the same sums as `vpmaddubsw` does.

    It adds two neighbours in 16 bits, which saturate.
    """
    products: Codes = activations.astype(np.int32) * filters.astype(np.int32)
    even = np.pad(products, ((0, 0), (0, products.shape[1] % 2)))
    pairs = even.reshape(len(even), -1, 2).sum(axis=2).clip(-(2**15), 2**15 - 1)
    sums: Codes = pairs.sum(axis=1, dtype=np.int32)
    return sums


def orders(filters: Codes) -> list[Codes]:
    """Return the filters in several orders.

    They are the given order, some random ones, and the worst ones, in which the largest weights
    meet.
    """
    rng = np.random.default_rng(0)
    shuffled = [rng.permuted(filters, axis=1) for _ in range(4)]
    return [filters, *shuffled, np.sort(filters, axis=1), np.sort(filters, axis=1)[:, ::-1]]


def differs(filters: Codes) -> bool:
    """Is there an order and an extreme input for which the two arithmetics differ?"""
    for ordered in orders(filters.reshape(len(filters), -1)):
        extremes = (
            np.full_like(ordered, 255, np.uint8),
            *(255 * (s * ordered > 0) for s in (1, -1)),
        )
        if any((exact(x, ordered) != saturating(x, ordered)).any() for x in extremes):
            return True
    return False


def int8_filters(model: onnx.ModelProto) -> list[Codes]:
    """The filters of every convolution that computes in int8."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    codes = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    return [
        constants[codes[n.input[1]]]
        for n in model.graph.node
        if n.op_type == "Conv" and n.input[1] in codes
    ]


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_no_filter_of_the_network_saturates(
    bundle: Path, samples: dict[str, list[Tensors]], name: str, symmetric: bool
) -> None:
    lower = quantize(onnx.load(bundle / f"{name}.onnx"), samples[name][:1], symmetric)
    filters = int8_filters(lower)
    assert filters and not any(differs(codes) for codes in filters)
    assert 0 < worst_pair_sum(lower) <= PAIR_LIMIT


@pytest.mark.parametrize("name", ["backbone", "motion"])
def test_filters_over_their_full_range_saturate_and_are_refused(
    bundle: Path, samples: dict[str, list[Tensors]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_ranges(filters: NDArray[np.float32]) -> NDArray[np.float32]:
        full: NDArray[np.float32] = np.abs(filters.reshape(len(filters), -1)).max(axis=1)
        return full

    monkeypatch.setattr(int8, "safe_ranges", full_ranges)
    model = onnx.load(bundle / f"{name}.onnx")
    with pytest.raises(RuntimeError, match=rf"up to \d+, more than the {PAIR_LIMIT}"):
        quantize(model, samples[name][:1])
    monkeypatch.setattr(int8, "check_pair_sums", lambda _: None)
    lower = quantize(model, samples[name][:1])
    assert (
        any(differs(codes) for codes in int8_filters(lower)) and worst_pair_sum(lower) > PAIR_LIMIT
    )


def test_the_bound_is_what_the_worst_pair_sums_up_to() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 2, 9, 32):
        codes = rng.integers(-127, 128, (6, count))
        pairs = [(i, j) for i in range(count) for j in range(i)] or [(0, 0)]
        for filters, found in zip(codes, largest_pairs(codes), strict=True):
            sums = [
                abs(filters[i] + filters[j])
                for i, j in pairs
                if filters[i] * filters[j] > 0 and i != j
            ]
            assert found == max([*sums, *abs(filters)])


def test_codes_over_a_safe_range_stay_within_the_limit() -> None:
    rng = np.random.default_rng(2)
    filters = rng.standard_t(2, (500, 4, 3, 3)).astype(np.float32)
    filters[0] = 0
    filters[1, :] = 1
    filters[1, 0, 0, 0] = 100
    filters[2] = np.float32(63.5)  # every weight is half-way between two codes
    ranges = safe_ranges(filters)
    scale = np.where(ranges > 0, ranges / 127, 1)[:, None, None, None]
    codes = np.rint(filters / scale).astype(np.int8)
    assert 255 * largest_pairs(codes).max() <= PAIR_LIMIT and not differs(codes)
    assert codes[1].max() == 126  # one large weight: nearly all of 8 bits


def quantized(
    kind: str, code: int, dtype: int = TensorProto.UINT8, constant: bool = True
) -> onnx.ModelProto:
    """One node of a kind whose weights all have one code."""
    shape = [2, 3, 1, 1] if "Conv" in kind else [3, 2]
    read = [1, 3, 4, 4] if kind == "Conv" else [1, 2, 4, 4] if kind == "ConvTranspose" else [4, 3]
    weight = numpy_helper.from_array(np.full(shape, code, np.int8), "w")
    zero = numpy_helper.from_array(np.zeros((), helper.tensor_dtype_to_np_dtype(dtype)), "zx")
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "zx"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "s", "zw"], ["wf"]),
        helper.make_node(kind, ["xf", "wf"], ["y"], name="multiplies"),
    ]
    inputs = [helper.make_tensor_value_info("x", dtype, read)]
    if not constant:
        inputs.append(helper.make_tensor_value_info("w", TensorProto.INT8, shape))
    constants = [
        numpy_helper.from_array(np.array(0.1, np.float32), "s"),
        zero,
        numpy_helper.from_array(np.array(0, np.int8), "zw"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(read))],
        [*constants, weight] if constant else constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize("dtype", [TensorProto.UINT8, TensorProto.INT8])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose", "Gemm", "MatMul"])
def test_whatever_multiplies_is_bounded(kind: str, dtype: int) -> None:
    """Signed activations too: x86 kernels make them unsigned."""
    assert worst_pair_sum(quantized(kind, 64, dtype)) == 255 * 128
    check_pair_sums(quantized(kind, 64, dtype))
    with pytest.raises(RuntimeError, match="two products can add up to 33150"):
        check_pair_sums(quantized(kind, -65, dtype))


def test_what_cannot_be_bounded_is_refused() -> None:
    for model in (quantized("Conv", 1, constant=False), quantized("Conv", 1, TensorProto.UINT16)):
        with pytest.raises(RuntimeError, match="multiplies: no bound"):
            worst_pair_sum(model)
