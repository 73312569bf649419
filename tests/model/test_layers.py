"""The building blocks the heads share."""

import pytest
import torch

from mapt.model.layers import DepthwiseConv


@pytest.mark.parametrize("dilation", [1, 2, 4, (1, 6)])
def test_bf16_gradients_of_a_depthwise_convolution_are_those_of_its_inputs(
    dilation: int | tuple[int, int],
) -> None:
    """Memory is filled with huge numbers first: whoever reads what was never written finds them."""
    torch.manual_seed(0)
    conv = DepthwiseConv(16, dilation=dilation).to(memory_format=torch.channels_last)
    image = torch.randn(2, 16, 12, 40).to(memory_format=torch.channels_last).requires_grad_()

    def gradients() -> tuple[torch.Tensor, ...]:
        for _ in range(3):
            _ = [torch.full((size,), 1e30) for size in (1_000, 10_000, 100_000, 1_000_000)]
        return torch.autograd.grad(conv(image).float().square().sum(), (conv.weight, image))

    wanted = gradients()
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients()
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32 and (one - other).abs().max() < 0.03 * other.abs().max()
