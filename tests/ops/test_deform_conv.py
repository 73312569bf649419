"""Deformable convolution with shared offsets against torchvision with expanded ones."""

import pytest
import torch
import torchvision

from mapt.ops import deform_conv2d


@pytest.mark.parametrize("dilation", [1, 3, 12])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 7, 9), (3, 5, 13)])
def test_shared_offsets_equal_expanded_ones(dilation: int, channels: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    x = torch.rand(4, channels, height, width, dtype=torch.float64)
    offset = torch.randn(1, 18, height, width, dtype=torch.float64) * 5  # many samples fall outside
    weight, bias = torch.randn(6, channels, 3, 3, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    got = deform_conv2d(x, offset, weight, bias, padding=dilation, dilation=dilation)
    expanded = offset.expand(4, -1, -1, -1)
    want = torchvision.ops.deform_conv2d(x, expanded, weight, bias, padding=dilation, dilation=dilation)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


def test_shared_offsets_have_right_gradients() -> None:
    torch.manual_seed(1)
    x = torch.rand(3, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    offset = (torch.rand(1, 18, 4, 5, dtype=torch.float64) * 1.6 + 0.2).requires_grad_()
    weight = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b, c: deform_conv2d(a, b, c, padding=1), (x, offset, weight))


def test_a_whole_pixel_offset_is_a_shift() -> None:
    x = torch.zeros(2, 1, 5, 6)
    x[:, 0, 2, 3] = 1.0
    offset = torch.zeros(1, 18, 5, 6)
    offset[:, 1::2] = 1.0  # every tap reads one pixel to the right
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1.0
    out = deform_conv2d(x, offset, weight, padding=1)
    assert out[0, 0].argmax().item() == 2 * 6 + 2
    assert out.sum().item() == pytest.approx(2.0)


def test_no_instances() -> None:
    out = deform_conv2d(torch.zeros(0, 1, 4, 4), torch.zeros(1, 18, 4, 4), torch.ones(2, 1, 3, 3), padding=1)
    assert out.shape == (0, 2, 4, 4)
