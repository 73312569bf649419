"""Parameters and multiply-adds per head, counted on the PyTorch model.

Convention: one FLOP is one multiply-add, as in the paper's Table V. Convolutions, linear layers and matrix products
count; a bilinear sample (deformable convolution, RoIAlign, grid sampling) counts 4 multiply-adds a channel; batch norm
and activations, which fold or cost next to nothing, do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs, model_info
from mapt.ops import disabled

BILINEAR = 4


@dataclass(frozen=True)
class HeadCost:
    """Parameters, and multiply-adds of one frame.

    Attributes:
        params: number of parameters.
        flops: multiply-adds of a frame; for motion and appearance with N instances.
        per_instance: the part of `flops` that each instance adds; 0 for the other heads.
    """

    params: int
    flops: int
    per_instance: float = 0.0


def count_heads(network: Network) -> dict[str, HeadCost]:
    """The cost of every head at the network's own input size."""
    config = network.config
    info = model_info(config, network.backbone.channels[2])
    graphs, rows = build_subgraphs(network), info.sizes["N"]
    image = torch.zeros(1, config.height, config.width, 3, dtype=torch.uint8)
    h8, w8 = config.height // 8, config.width // 8
    with torch.inference_mode(), disabled():  # counted on torchvision's operators, whatever computes them here
        trunk, backbone = _count(network.backbone, image)
        pyramid, fpn = _count(network.fpn, trunk)
        semantic, semantic_flops = _count(network.semantic, trunk.c16, pyramid)
        _, rpn = _count(network.rpn, pyramid)
        _, detect = _count(graphs["instance"], *pyramid.levels())
        s, masks = semantic.s, torch.rand(rows, 1, h8, w8)
        boxes = torch.tensor([[0.0, 0.0, 64.0, 64.0]]).expand(rows, 4)
        _, offsets = _count(network.motion.offset_fields, s, s)
        (_, f_p), motion = _count(graphs["motion"], s, s, masks, masks, boxes)
        arguments = (*pyramid.levels(), boxes, torch.zeros(rows, 28, 28), f_p)
        _, appearance = _count(graphs["appearance"], *arguments)
    return {
        "backbone": HeadCost(_parameters(network.backbone), backbone),
        "fpn": HeadCost(_parameters(network.fpn), fpn),
        "semantic": HeadCost(_parameters(network.semantic), semantic_flops),
        "rpn": HeadCost(_parameters(network.rpn), rpn),
        "instance": HeadCost(_parameters(network.instance), detect - rpn),
        "motion": HeadCost(_parameters(network.motion), motion, (motion - offsets) / rows),
        "appearance": HeadCost(_parameters(network.appearance), appearance, appearance / rows),
    }


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _count(call: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    counter = FlopCounterMode(display=False, custom_mapping=_CUSTOM)
    with counter:
        result = call(*arguments)
    return result, round(counter.get_total_flops() / 2)  # PyTorch counts a multiply-add as two


def _deform(_: Any, weight: Any, *__: Any, out_shape: Any, **___: Any) -> int:
    n, _, h, w = out_shape
    filters, channels, *kernel = weight
    taps = math.prod(kernel) * channels
    return 2 * int(n * h * w * taps * (filters + BILINEAR))


def _roi_align(
    _: Any, __: Any, scale: float, height: int, width: int, ratio: int, *___: Any, out_shape: Any, **____: Any
) -> int:
    return 2 * BILINEAR * int(math.prod(out_shape)) * ratio * ratio


def _grid_sample(*_: Any, out_shape: Any, **__: Any) -> int:
    return 2 * BILINEAR * int(math.prod(out_shape))


_CUSTOM: dict[Any, Any] = {
    torch.ops.torchvision.deform_conv2d: _deform,
    torch.ops.torchvision.roi_align: _roi_align,
    torch.ops.aten.grid_sampler_2d: _grid_sample,
}
