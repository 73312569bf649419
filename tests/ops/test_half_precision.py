"""Half precision on a CPU: kernels read and write it as such, and compute in float32.

So a result is that of the same numbers in float32, rounded once.
"""

import pytest
import torch
from torch import Tensor

from mapt.ops import compiled, deform_conv2d, multiscale_roi_align, propagate_masks
from tests.ops.conftest import needs_compiled

pytestmark = needs_compiled
STRIDES = (4, 8, 16, 32)
types = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


def normal(*shape: int) -> Tensor:
    """Return normal random numbers, some of them tiny."""
    random = torch.Generator().manual_seed(len(shape) + shape[-1])
    values = torch.randn(*shape, generator=random)
    values.view(-1)[::97] *= 1e-6
    return values


@types
@pytest.mark.parametrize("channels", [1, 19])
def test_a_convolution(dtype: torch.dtype, channels: int) -> None:
    x = normal(5, channels, 13, 21).to(dtype)
    weight = normal(21, channels, 3, 3).to(dtype)
    bias = normal(21).to(dtype)
    offset = normal(1, 18, 13, 21) * 4
    want = deform_conv2d(x.float(), offset, weight.float(), bias.float(), padding=1).to(dtype)
    got = torch.ops.mapt.deform_conv2d(x, offset, weight, bias, 1, 1, 1)
    assert got.dtype == dtype and torch.equal(got, want)
    out = torch.empty_like(want)
    assert deform_conv2d(x, offset, weight, bias, padding=1, out=out) is out
    assert torch.equal(out, want)


@types
def test_results_round_to_infinity_and_stay_nan(dtype: torch.dtype) -> None:
    x = torch.full((1, 1, 5, 7), torch.finfo(dtype).max, dtype=dtype)
    x[..., 2:, :] = float("nan")
    weight = torch.full((2, 1, 1, 1), 2.0, dtype=dtype)
    got = torch.ops.mapt.deform_conv2d(x, torch.zeros(1, 2, 5, 7), weight, None, 1, 0, 1)
    assert got.dtype == dtype and got[..., 0, :].isinf().all() and got[..., 2:, :].isnan().all()


@types
@pytest.mark.parametrize("size", [7, 14])
def test_roi_align(dtype: torch.dtype, size: int) -> None:
    features = [normal(2, 19, 96 // s, 160 // s).to(dtype) for s in STRIDES]
    corner = normal(30, 2).abs() * 40
    index = torch.arange(30)[:, None] % 2
    boxes = torch.cat((index, corner, corner + normal(30, 2).abs() * 60), 1)
    want = multiscale_roi_align([f.float() for f in features], boxes, size, STRIDES).to(dtype)
    got = torch.ops.mapt.multiscale_roi_align(features, boxes, size, STRIDES, 2)
    assert got.dtype == dtype and torch.equal(got, want)
    assert torch.equal(multiscale_roi_align(features, boxes, size, STRIDES), want)


@types
def test_the_motion_step(dtype: torch.dtype) -> None:
    masks = normal(20, 1, 9, 33).abs()
    masks[3] = 0
    masks[4, :, :5] = 0
    values = masks, normal(4, 16, 1, 3, 3), normal(64), normal(1)
    half = [value.to(dtype) for value in values]
    offsets = normal(4, 18, 9, 33) * 2
    boxes = torch.tensor([8.0, 4.0, 200.0, 60.0]).expand(20, 4)
    wide, weights, projection, bias = (value.float() for value in half)
    want = propagate_masks(wide, offsets, weights, projection, bias, boxes)
    got = torch.ops.mapt.propagate_masks(half[0], offsets, *half[1:], boxes)
    for mine, theirs in zip(got, want, strict=True):
        assert theirs is not None
        assert mine.dtype == dtype and torch.equal(mine, theirs.to(dtype))


def test_gradients_are_computed_in_single_precision() -> None:
    x = normal(2, 3, 9, 11).bfloat16().requires_grad_()
    weight = normal(5, 3, 3, 3).bfloat16().requires_grad_()
    offset = normal(2, 18, 9, 11)
    assert compiled.value_type(x, weight) == torch.bfloat16
    assert compiled.value_type(x, weight, gradient=True) == torch.float32
    wide = [leaf.detach().float().requires_grad_() for leaf in (x, weight)]
    deform_conv2d(x, offset, weight, padding=1).sum().backward()
    deform_conv2d(wide[0], offset, wide[1], padding=1).sum().backward()
    for leaf, single in zip((x, weight), wide, strict=True):
        assert leaf.grad is not None and single.grad is not None
        torch.testing.assert_close(leaf.grad, single.grad.bfloat16())
