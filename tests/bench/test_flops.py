import pytest
import torch
import torchvision
from torch import nn

from mapt.bench.flops import _count, count_heads
from mapt.config import PRESETS, ModelConfig
from mapt.model.motion import MotionHead
from mapt.model.network import Network


def test_a_convolution_costs_kernel_times_channels_times_pixels() -> None:
    _, flops = _count(nn.Conv2d(8, 16, 3, padding=1), torch.zeros(1, 8, 10, 20))
    assert flops == 10 * 20 * 16 * 8 * 9


def test_a_deformable_convolution_adds_four_per_sample() -> None:
    x, offset, weight = torch.zeros(2, 3, 5, 7), torch.zeros(2, 18, 5, 7), torch.zeros(6, 3, 3, 3)
    _, flops = _count(torchvision.ops.deform_conv2d, x, offset, weight, None, 1, 1)
    assert flops == 2 * 5 * 7 * (9 * 3 * 6 + 9 * 3 * 4)


def test_roi_align_counts_its_samples() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0], [0.0, 1.0, 1.0, 3.0, 3.0]])
    _, flops = _count(torchvision.ops.roi_align, torch.zeros(1, 5, 8, 8), boxes, (7, 7), 1.0, 2, True)
    assert flops == 2 * 5 * 7 * 7 * 2 * 2 * 4


def test_the_motion_head_of_base_is_the_papers() -> None:
    """2 x 147,456 + 4 x 20,754 parameters and norms; 2.83 G multiply-adds of convolutions at 1/8 of 384x1248."""
    head = MotionHead(ModelConfig(preset="base", **PRESETS["base"])).eval()
    assert sum(p.numel() for p in head.parameters()) == pytest.approx(0.38e6, abs=0.01e6)
    s = torch.zeros(1, 128, 48, 156)
    with torch.inference_mode():
        _, flops = _count(head.offset_fields, s, s)
    assert flops == 48 * 156 * (2 * 128 * 128 * 9 + 4 * 128 * 18 * 9)
    assert flops == pytest.approx(2.83e9, abs=0.01e9)


def test_every_parameter_is_counted_once() -> None:
    network = Network(ModelConfig(preset="nano", **{**PRESETS["nano"], "height": 64, "width": 128})).eval()
    heads = count_heads(network)
    assert sum(cost.params for cost in heads.values()) == sum(p.numel() for p in network.parameters())
    assert all(cost.flops > 0 for cost in heads.values())
    assert heads["motion"].per_instance > 0 and heads["backbone"].per_instance == 0
