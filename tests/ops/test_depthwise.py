"""Depthwise convolutions in half precision: gradients beside exact ones, and what is left alone."""

import pytest
import torch
from torch import nn

from mapt.ops.depthwise import HalfDepthwise

CASES = [(3, 1, 1), (5, 1, 1), (5, 2, 1), (3, 2, 1), (3, 1, 2)]


def _gradients(
    conv: nn.Conv2d, x: torch.Tensor, wanted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    conv.zero_grad()
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16), HalfDepthwise():
        y = conv(x)
    assert y.dtype == torch.bfloat16
    (y.float() * wanted).sum().backward()
    assert x.grad is not None and conv.weight.grad is not None
    assert x.grad.dtype == conv.weight.grad.dtype == torch.float32
    return x.grad, conv.weight.grad


@pytest.mark.parametrize(("kernel", "stride", "dilation"), CASES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_near_the_exact_ones(
    kernel: int, stride: int, dilation: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(
        24, 24, kernel, stride, kernel // 2 * dilation, dilation, groups=24, bias=False
    )
    x = torch.randn(2, 24, 23, 31).contiguous(memory_format=layout)
    exact = x.double().requires_grad_()
    weight = conv.weight.detach().double().requires_grad_()
    y = torch.conv2d(exact, weight, None, conv.stride, conv.padding, conv.dilation, 24)
    wanted = torch.randn_like(y)
    (y * wanted).sum().backward()
    for got, true in zip(
        _gradients(conv, x, wanted.float()), (exact.grad, weight.grad), strict=True
    ):
        assert true is not None
        assert (got - true).norm() < 0.01 * true.norm()


def test_other_convolutions_are_as_they_are() -> None:
    full = nn.Conv2d(8, 8, 3, padding=1)
    depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
    x = torch.randn(1, 8, 9, 9, requires_grad=True)
    with HalfDepthwise():
        assert "Depthwise" not in type(depthwise(x).grad_fn).__name__  # without autocast
        with torch.autocast("cpu", torch.bfloat16):
            assert "Depthwise" not in type(full(x).grad_fn).__name__
            with torch.no_grad():
                assert depthwise(x).grad_fn is None
            assert "Depthwise" in type(depthwise(x).grad_fn).__name__
