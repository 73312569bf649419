"""The CUDA kernels, executed without a GPU (csrc/shim), beside the CPU's operators."""

import pytest
import torch
from torch import Tensor

from mapt.bench.gpu.cases import (
    CONVOLUTIONS,
    POOLINGS,
    STRIDES,
    boxes,
    convolution,
    motion,
    overlaps,
    pyramid,
)
from tests.csrc import cuda_source
from tests.ops.conftest import needs_compiled

pytestmark = [needs_compiled, cuda_source.needs_compiler]


def assert_close(got: Tensor, want: Tensor, tolerance: float = 1e-5) -> None:
    assert got.dtype == want.dtype
    scale = want.abs().max().item() if want.numel() else 0.0
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance * (1 + scale))


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_deform_conv2d_equals_the_cpus(case: tuple[int, ...]) -> None:
    tensors, geometry = convolution(case)
    want = torch.ops.mapt.deform_conv2d(*tensors, *geometry)
    assert_close(cuda_source.deform_conv2d(*tensors, *geometry), want)


WIDE = [case for case in CONVOLUTIONS if case[1] >= 8]  # channels that are multiplied as matrices
# By the type of stored values: how exactly tensor cores read a factor.
FACTORS = [(torch.float32, 2.0**-11), (torch.float16, 2.0**-11), (torch.bfloat16, 2.0**-8)]


@pytest.mark.parametrize(("dtype", "step"), FACTORS)
@pytest.mark.parametrize("case", WIDE)
def test_tensor_cores_round_each_factor_once(
    case: tuple[int, ...], dtype: torch.dtype, step: float
) -> None:
    """Float32 is multiplied as TF32. The root of the sum of squares bounds the sum of roundings."""
    tensors, geometry = convolution(case)
    narrow = [t if t is None or i == 1 else t.to(dtype) for i, t in enumerate(tensors)]
    input, offset, weight = (t.double() for t in narrow[:3])
    bias = None if narrow[3] is None else narrow[3].double()
    want = torch.ops.mapt.deform_conv2d(input, offset, weight, bias, *geometry)
    squares = input.square(), offset, weight.square(), None
    spread = torch.ops.mapt.deform_conv2d(*squares, *geometry).sqrt()
    got = cuda_source.deform_conv2d(*narrow, *geometry, tf32=dtype == torch.float32)
    error = (got.double() - want).abs()
    assert bool((error <= 6 * step * spread + step * want.abs() + 1e-6).all())
    assert dtype != torch.float32 or error.max() > 1e-5  # they were indeed read as TF32


LARGE = (1, 66, 68, 3, 6, 9, False, 1, 1, 1, False)  # large tiles in all products


@pytest.mark.parametrize(("dtype", "step"), FACTORS)
@pytest.mark.parametrize("case", [CONVOLUTIONS[4], WIDE[-1], LARGE])
def test_gradients_of_rounded_factors_are_near(
    case: tuple[int, ...], dtype: torch.dtype, step: float
) -> None:
    torch.manual_seed(0)
    tensors, geometry = convolution(case)
    narrow = [t if t is None or i == 1 else t.to(dtype) for i, t in enumerate(tensors[:3])]
    wide = [t.double() for t in narrow]
    grad = torch.randn_like(torch.ops.mapt.deform_conv2d(*wide, None, *geometry)).to(dtype)
    want = torch.ops.mapt.deform_conv2d_backward(grad.double(), *wide, *geometry, [True] * 4)
    got = cuda_source.deform_conv2d_backward(grad, *narrow, *geometry, tf32=dtype == torch.float32)
    for i, (found, expected) in enumerate(zip(got, want, strict=True)):
        assert found is not None and found.dtype == (torch.float32 if i == 1 else dtype)
        torch.testing.assert_close(
            found.double(), expected, rtol=6 * step, atol=6 * step * expected.std().item()
        )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("case", [*CONVOLUTIONS, LARGE])
def test_deform_conv2d_gradients_equal_the_cpus(
    case: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    tensors, geometry = convolution(case, dtype)
    grad = torch.randn_like(torch.ops.mapt.deform_conv2d(*tensors, *geometry))
    want = torch.ops.mapt.deform_conv2d_backward(grad, *tensors[:3], *geometry, [True] * 4)
    for got, expected in zip(
        cuda_source.deform_conv2d_backward(grad, *tensors[:3], *geometry), want, strict=True
    ):
        assert got is not None
        assert_close(got, expected, tolerance)


def test_a_single_wanted_gradient_is_the_same() -> None:
    tensors, geometry = convolution(CONVOLUTIONS[4])
    grad = torch.randn_like(torch.ops.mapt.deform_conv2d(*tensors, *geometry))
    together = cuda_source.deform_conv2d_backward(grad, *tensors[:3], *geometry)
    for i in range(4):
        alone = cuda_source.deform_conv2d_backward(
            grad, *tensors[:3], *geometry, wanted=[k == i for k in range(4)]
        )
        assert [k for k in range(4) if alone[k] is not None] == [i]
        found = alone[i]
        expected = together[i]
        assert found is not None and expected is not None and torch.equal(found, expected)


def test_all_samples_in_one_cell() -> None:
    tensors, geometry = convolution((2, 3, 4, 3, 24, 30, True, 1, 1, 1, False))
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(30.0), indexing="ij")
    tap = torch.arange(9.0)[:, None, None]
    tensors[1] = torch.stack((7.25 - (y + tap // 3 - 1), 8.5 - (x + tap % 3 - 1)), 1).reshape(
        1, 18, 24, 30
    )
    grad = torch.randn_like(torch.ops.mapt.deform_conv2d(*tensors, *geometry))
    want = torch.ops.mapt.deform_conv2d_backward(grad, *tensors[:3], *geometry, [True] * 4)
    for got, expected in zip(
        cuda_source.deform_conv2d_backward(grad, *tensors[:3], *geometry), want, strict=True
    ):
        assert got is not None
        assert_close(got, expected)
    assert (want[0].abs().sum((0, 1)) > 0).sum() == 4


@pytest.mark.parametrize("case", POOLINGS)
def test_roi_align_equals_the_cpus(case: tuple[int, ...]) -> None:
    height, width, batch, channels, count, size, ratio = case
    features = pyramid(height, width, batch, channels)
    rows = boxes(count, batch, height, width)
    want = torch.ops.mapt.multiscale_roi_align(features, rows, size, STRIDES, ratio)
    assert_close(cuda_source.roi_align(features, rows, size, STRIDES, ratio), want)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("case", POOLINGS)
def test_roi_align_gradients_equal_the_cpus(
    case: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    height, width, batch, channels, count, size, ratio = case
    features = pyramid(height, width, batch, channels, dtype)
    rows = boxes(count, batch, height, width).to(dtype)
    grad = torch.randn(count, channels, size, size, dtype=dtype)
    sides = [f.shape[2] for f in features], [f.shape[3] for f in features]
    want = torch.ops.mapt.multiscale_roi_align_backward(grad, rows, *sides, batch, STRIDES, ratio)
    for got, expected in zip(
        cuda_source.roi_align_backward(grad, rows, features, STRIDES, ratio), want, strict=True
    ):
        assert_close(got, expected, tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("count", [3, 90])
def test_features_in_either_order_pool_to_the_same_bits(dtype: torch.dtype, count: int) -> None:
    """Three boxes of features in PyTorch's usual order are pooled without a copy."""
    features = [f.to(dtype) for f in pyramid(193, 311, channels=24)]
    rows = boxes(count, 2, 193, 311).to(torch.promote_types(dtype, torch.float32))
    usual = cuda_source.roi_align(features, rows, 7, STRIDES, 2)
    last = [f.to(memory_format=torch.channels_last) for f in features]
    assert torch.equal(cuda_source.roi_align(last, rows, 7, STRIDES, 2, channels_last=True), usual)


@pytest.mark.parametrize("image", [-1.0, 2.0, 0.5, torch.nan, 1e30])
def test_a_box_of_no_image_is_zero(image: float) -> None:
    features = pyramid(64, 64)
    rows = torch.tensor([[1.0, 1, 1, 40, 40], [image, 1, 1, 40, 40]])
    out = cuda_source.roi_align(features, rows, 7, STRIDES, 2)
    assert out[0].abs().max() > 0 and out[1].abs().max() == 0
    alone = cuda_source.roi_align_backward(torch.ones(1, 3, 7, 7), rows[:1], features, STRIDES, 2)
    both = cuda_source.roi_align_backward(torch.ones(2, 3, 7, 7), rows, features, STRIDES, 2)
    assert all(torch.equal(a, b) for a, b in zip(alone, both, strict=True))


@pytest.mark.parametrize(
    "sizes", [(20, 9, 33, 16), (1, 1, 1, 1), (9, 23, 37, 3), (3, 30, 5, 2), (0, 4, 4, 2)]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_propagate_masks_equals_the_cpus(
    sizes: tuple[int, int, int, int], dtype: torch.dtype, tolerance: float
) -> None:
    arguments = motion(*sizes, dtype=dtype)
    got = cuda_source.propagate_masks(*arguments)
    want = torch.ops.mapt.propagate_masks(*arguments)
    assert_close(got[0], want[0], tolerance)
    assert_close(got[1], want[1], tolerance)


def half(case: str, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
    """Return results from half-precision tensors, and the expected ones.

    The expected ones come from the same numbers in float32 and are rounded at the end.
    """
    if case == "deform_conv2d":
        tensors, geometry = convolution(CONVOLUTIONS[7])
        narrow = [t.to(dtype) if i != 1 else t for i, t in enumerate(tensors)]
        wide = [t.float() for t in narrow]
        return [cuda_source.deform_conv2d(*narrow, *geometry)], [
            torch.ops.mapt.deform_conv2d(*wide, *geometry).to(dtype)
        ]
    if case == "roi_align":
        features = [f.to(dtype) for f in pyramid(193, 311)]
        rows = boxes(60, 2, 193, 311)
        want = torch.ops.mapt.multiscale_roi_align(
            [f.float() for f in features], rows, 7, STRIDES, 2
        )
        return [cuda_source.roi_align(features, rows, 7, STRIDES, 2)], [want.to(dtype)]
    arguments = motion(9, 23, 37, 3)
    narrow = [t if i in (1, 5) else t.to(dtype) for i, t in enumerate(arguments)]
    results = torch.ops.mapt.propagate_masks(*(t.float() for t in narrow))
    return list(cuda_source.propagate_masks(*narrow)), [r.to(dtype) for r in results]


@pytest.mark.parametrize(("dtype", "step"), [(torch.float16, 2.0**-10), (torch.bfloat16, 2.0**-7)])
@pytest.mark.parametrize("case", ["deform_conv2d", "roi_align", "propagate_masks"])
def test_half_precision_is_rounded_once(case: str, dtype: torch.dtype, step: float) -> None:
    for got, want in zip(*half(case, dtype), strict=True):
        assert got.dtype == dtype
        torch.testing.assert_close(
            got.float(), want.float(), rtol=step, atol=1e-5 * (1 + want.float().abs().max().item())
        )


def convolved() -> list[Tensor]:
    """Results and gradients of convolutions of few and of many channels."""
    found = []
    for case in (CONVOLUTIONS[4], WIDE[-1]):
        tensors, geometry = convolution(case)
        out = cuda_source.deform_conv2d(*tensors, *geometry)
        grads = cuda_source.deform_conv2d_backward(out, *tensors[:3], *geometry)
        found += [out, *(g for g in grads if g is not None)]
        found.append(cuda_source.deform_conv2d(*tensors, *geometry, tf32=True))
    return found


def everything() -> list[Tensor]:
    features = pyramid(193, 311)
    rows = boxes(90, 2, 193, 311)
    pooled = cuda_source.roi_align(features, rows, 7, STRIDES, 2)
    return [
        *convolved(),
        pooled,
        *cuda_source.roi_align_backward(pooled, rows, features, STRIDES, 2),
        *cuda_source.propagate_masks(*motion(9, 23, 37, 3)),
        cuda_source.greedy_keep(overlaps(200)),
    ]


def kept(suppresses: Tensor) -> list[bool]:
    """Box by box: one stays unless one that stays suppresses it."""
    keep: list[bool] = []
    for column in suppresses.T.tolist():
        keep.append(not any(k and s > 0.5 for k, s in zip(keep, column, strict=False)))
    return keep


TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("share", [0.0, 0.03, 1.0])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 130, 200])
def test_greedy_keep_equals_the_cpus(count: int, share: float, dtype: torch.dtype) -> None:
    suppresses = overlaps(count, share, dtype)
    want = kept(suppresses)
    got = cuda_source.greedy_keep(suppresses)
    assert got.dtype == dtype and got.bool().tolist() == want
    if dtype in TYPES[:2]:
        assert torch.equal(torch.ops.mapt.greedy_keep(suppresses), got)


def test_the_longest_chain_keeps_every_second_box() -> None:
    chain = torch.cat((torch.zeros(300, 1), torch.eye(300)[:, :-1]), 1).contiguous()
    assert cuda_source.greedy_keep(chain).tolist() == [i % 2 == 0 for i in range(300)]


def test_the_order_of_threads_does_not_change_a_bit() -> None:
    want = everything()
    try:
        cuda_source.backwards(True)
        got = everything()
    finally:
        cuda_source.backwards(False)
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
