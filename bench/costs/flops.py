"""Parameters and multiply-adds per head and kind of operator, counted on the PyTorch model.

Convention: one FLOP is one multiply-add, as in the paper's Table V. Convolutions, linear layers and
matrix products count; a bilinear sample (deformable convolution, RoIAlign, grid sampling) counts 4
multiply-adds a channel. Left out: batch norm and activations, which fold or cost next to nothing,
resizing, sums, sorting, and the suppression of boxes, whose rounds depend on the picture.

`python -m mapt.bench.costs.flops base` counts a preset with random weights.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mapt.bench.cli_errors import told_in_one_line
from mapt.bench.costs.counts import HeadCost, Operators
from mapt.config import ModelConfig, preset
from mapt.docstrings import text_of
from mapt.model.backbone import Trunk
from mapt.model.fpn import Pyramid
from mapt.model.heads.motion import MotionHead
from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs, find_middle, model_info
from mapt.ops import disabled

BILINEAR = 4


def count_heads(network: Network) -> dict[str, HeadCost]:
    """The cost of every head at the network's own input size."""
    config = network.config
    info = model_info(config, network.backbone.channels[2])
    graphs = build_subgraphs(network)
    rows = info.sizes["N"]
    image = torch.zeros(1, config.height, config.width, 3, dtype=torch.uint8)
    with (
        torch.inference_mode(),
        disabled(),
    ):  # counted on torchvision's operators, whatever computes them here
        middle = find_middle(config)
        views = [_count_view(network, image)]
        views += [_count_view(network, middle.enlarge(image))] if middle else []
        backbone = sum(view.backbone for view in views)
        fpn = sum(view.fpn for view in views)
        rpn = sum(view.rpn for view in views)
        semantic, semantic_cost = count(network.semantic, views[0].trunk.c16, views[0].pyramid)
        pyramid = middle.pack(*(view.pyramid for view in views)) if middle else views[0].pyramid
        _, detect = count(graphs["instance"], *pyramid.levels())
        instances = _instances(network, info.sizes["D"], rows)
        _, offsets = count(network.motion.offset_fields, semantic.s, semantic.s)
        (_, f_p), motion = count(
            graphs["motion"],
            semantic.s,
            semantic.s,
            instances.masks[:1].expand(rows, -1, -1, -1),
            instances.masks,
            instances.boxes,
            instances.rows,
        )
        logits = torch.zeros(info.sizes["D"], 28, 28)
        arguments = (*pyramid.levels(), instances.boxes, logits, instances.rows, f_p)
        _, appearance = count(graphs["appearance"], *arguments)
    each = (motion.total - offsets.total) / rows
    return {
        "backbone": HeadCost(_parameters(network.backbone), backbone),
        "fpn": HeadCost(_parameters(network.fpn), fpn),
        "semantic": HeadCost(_parameters(network.semantic), semantic_cost.total),
        "rpn": HeadCost(_parameters(network.rpn), rpn),
        "instance": HeadCost(_parameters(network.instance), detect.total - rpn),
        "motion": HeadCost(_parameters(network.motion), motion.total, each),
        "appearance": HeadCost(
            _parameters(network.appearance), appearance.total, appearance.total / rows
        ),
    }


@dataclass(frozen=True)
class _View:
    """The features of an image of any size, and the multiply-adds of each part of the network."""

    trunk: Trunk
    pyramid: Pyramid
    backbone: int
    fpn: int
    rpn: int


def _count_view(network: Network, image: torch.Tensor) -> _View:
    trunk, backbone = count(network.backbone, image)
    pyramid, fpn = count(network.fpn, trunk)
    _, rpn = count(network.rpn, pyramid)
    return _View(trunk, pyramid, backbone.total, fpn.total, rpn.total)


def count_motion(config: ModelConfig) -> HeadCost:
    """The motion head alone, with one instance: what Table V counts for the paper's `base`."""
    head = MotionHead(config).eval()
    s = torch.zeros(1, config.semantic_channels, config.height // 8, config.width // 8)
    masks = s[:, :1]
    boxes = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    with torch.inference_mode(), disabled():
        offsets, shared = count(head.offset_fields, s, s)
        _, carried = count(head.propagate, masks, offsets[0])
        _, features = count(head.features, masks, offsets[0], boxes)
    each = carried.total + features.total
    return HeadCost(_parameters(head), shared.total + each, each)


@dataclass(frozen=True)
class _Instances:
    """Detections, and the rows of them that the heads read."""

    masks: Tensor
    boxes: Tensor
    rows: Tensor


def _instances(network: Network, slots: int, rows: int) -> _Instances:
    masks = torch.rand(slots, 1, network.config.height // 8, network.config.width // 8)
    boxes = torch.tensor([[0.0, 0.0, 64.0, 64.0]]).expand(slots, 4)
    return _Instances(masks, boxes, torch.arange(rows, dtype=torch.int32) % slots)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def count(call: Callable[..., Any], *arguments: Any) -> tuple[Any, Operators]:
    """Return the result of a call, and its multiply-adds.

    Raises:
        RuntimeError: an operator that the convention does not know; a fault of this program.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_CUSTOM)
    with counter:
        result = call(*arguments)
    total = Operators()
    for operator, flops in counter.get_flop_counts().get("Global", {}).items():
        if str(operator) not in _KINDS:
            raise RuntimeError(f"{operator}: of no kind that is counted")
        total += Operators(
            **{_KINDS[str(operator)]: round(flops / 2)}
        )  # PyTorch counts a multiply-add as two
    return result, total


def _deform(_: Any, weight: Any, *__: Any, out_shape: Any, **___: Any) -> int:
    n, _, h, w = out_shape
    filters, channels, *kernel = weight
    taps = math.prod(kernel) * channels
    return 2 * int(n * h * w * taps * (filters + BILINEAR))


def _roi_align(
    _: Any,
    __: Any,
    scale: float,
    height: int,
    width: int,
    ratio: int,
    *___: Any,
    out_shape: Any,
    **____: Any,
) -> int:
    return 2 * BILINEAR * int(math.prod(out_shape)) * ratio * ratio


def _grid_sample(*_: Any, out_shape: Any, **__: Any) -> int:
    return 2 * BILINEAR * int(math.prod(out_shape))


def _left_out(*_: Any, **__: Any) -> int:
    return 0


_CUSTOM: dict[Any, Any] = {
    torch.ops.torchvision.deform_conv2d: _deform,
    torch.ops.torchvision.roi_align: _roi_align,
    torch.ops.aten.grid_sampler_2d: _grid_sample,
    torch.ops.aten.mm: _left_out,  # greedy suppression; layers have a bias and are addmm
}
_KINDS = {
    "aten.convolution": "convolution",
    "aten.addmm": "linear",
    "aten.bmm": "product",
    "aten.mm": "product",
    "torchvision.deform_conv2d": "sample",
    "torchvision.roi_align": "sample",
    "aten.grid_sampler_2d": "sample",
}


@told_in_one_line()
def main() -> None:
    """Print the table of a preset."""
    from rich.console import Console

    from mapt.bench.report.console import print_heads

    parser = argparse.ArgumentParser(
        prog="python -m mapt.bench.costs.flops", description=text_of(__name__)
    )
    parser.add_argument("preset", nargs="?", default="base")
    config = preset(parser.parse_args().preset)
    console = Console()
    console.print(f"{config.preset}, {config.height}x{config.width}", highlight=False)
    print_heads(console, count_heads(Network(config).eval()))


if __name__ == "__main__":
    main()
