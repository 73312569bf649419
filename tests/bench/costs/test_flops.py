from pathlib import Path

import onnx
import pytest
import torch
import torchvision
from torch import nn

from mapt.bench.costs.counts import Operators
from mapt.bench.costs.flops import count, count_heads, count_motion
from mapt.bench.costs.graph_flops import count_bundle, count_graph
from mapt.config import PRESETS, ModelConfig, preset
from mapt.export.lowering.folded_subgraphs import list_subgraphs
from mapt.export.lowering.lowering import Lowering
from mapt.export.lowering.tracing import finish, trace
from mapt.model.heads.motion import MotionHead
from mapt.model.network import Network
from mapt.model.subgraphs import model_info
from mapt.model.weights import load_weights
from mapt.ops import disabled
from mapt.runtime.bundle.manifest import read_bundle
from tests.tools.once import exported


def test_a_convolution_costs_kernel_times_channels_times_pixels() -> None:
    _, found = count(nn.Conv2d(8, 16, 3, padding=1), torch.zeros(1, 8, 10, 20))
    assert found == Operators(convolution=10 * 20 * 16 * 8 * 9)


def test_a_deformable_convolution_adds_four_per_sample() -> None:
    x = torch.zeros(2, 3, 5, 7)
    offset = torch.zeros(2, 18, 5, 7)
    weight = torch.zeros(6, 3, 3, 3)
    _, found = count(torchvision.ops.deform_conv2d, x, offset, weight, None, 1, 1)
    assert found.total == 2 * 5 * 7 * (9 * 3 * 6 + 9 * 3 * 4)


def test_roi_align_counts_its_samples() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0], [0.0, 1.0, 1.0, 3.0, 3.0]])
    _, found = count(
        torchvision.ops.roi_align, torch.zeros(1, 5, 8, 8), boxes, (7, 7), 1.0, 2, True
    )
    assert found.total == 2 * 5 * 7 * 7 * 2 * 2 * 4


def test_the_motion_head_of_base_is_the_papers() -> None:
    """The motion head of `base` costs what the paper states.

    It has 2 x 147,456 + 4 x 20,754 parameters and norms. Its convolutions take 2.83 G multiply-adds
    at 1/8 of 384x1248.
    """
    head_config = ModelConfig(preset="base", **PRESETS["base"])
    head = MotionHead(head_config).eval()
    assert sum(p.numel() for p in head.parameters()) == pytest.approx(0.38e6, abs=0.01e6)
    s = torch.zeros(1, 128, 48, 156)
    with torch.inference_mode():
        flops = count(head.offset_fields, s, s)[1].total
    assert flops == 48 * 156 * (2 * 128 * 128 * 9 + 4 * 128 * 18 * 9)
    assert flops == pytest.approx(2.83e9, abs=0.01e9)
    cost = count_motion(head_config)
    assert cost.params == sum(p.numel() for p in head.parameters())
    assert cost.flops == flops + cost.per_instance
    sampled = 48 * 156 * 36 * (4 + 1) + 48 * 156 * 36 * (
        4 + 16
    )  # masks with one filter, features with 16
    assert cost.per_instance == sampled + 64 * 7 * 7 * 4 * 4


def test_every_parameter_is_counted_once() -> None:
    network = Network(
        ModelConfig(preset="nano", **{**PRESETS["nano"], "height": 64, "width": 128})
    ).eval()
    heads = count_heads(network)
    assert sum(cost.params for cost in heads.values()) == sum(
        p.numel() for p in network.parameters()
    )
    assert all(cost.flops > 0 for cost in heads.values())
    assert heads["motion"].per_instance > 0 and heads["backbone"].per_instance == 0


def test_micro_lies_between_nano_and_small() -> None:
    networks = [
        Network(preset(name, height=64, width=128)).eval() for name in ("nano", "micro", "small")
    ]
    params = [sum(p.numel() for p in network.parameters()) for network in networks]
    flops = [sum(cost.flops for cost in count_heads(network).values()) for network in networks]
    assert params == sorted(params) and flops == sorted(flops)
    assert params[1] == pytest.approx(6.7e6, abs=0.4e6)


def test_a_bundle_counts_as_its_network_does(bundle: Path) -> None:
    network = load_weights(bundle / "weights.safetensors")
    found = count_bundle(read_bundle(bundle), network)
    assert set(found) == {"backbone", "semantic", "instance", "motion", "appearance"}
    assert all(cost.agree for cost in found.values())
    heads = count_heads(network)
    assert found["motion"].graph.total == heads["motion"].flops
    assert found["backbone"].graph.total == heads["backbone"].flops + heads["fpn"].flops
    assert found["instance"].graph.total == heads["rpn"].flops + heads["instance"].flops
    model = onnx.load(bundle / "semantic.onnx")  # what is in the graph twice is seen
    whole = count_graph(model)
    twice = onnx.NodeProto()
    twice.CopyFrom(next(node for node in model.graph.node if node.op_type == "Conv"))
    twice.output[0] = "twice"
    model.graph.node.append(twice)
    assert count_graph(model).convolution > whole.convolution


def test_a_bundle_that_zooms_counts_both_views(tmp_path_factory: pytest.TempPathFactory) -> None:
    zoomed = read_bundle(exported(tmp_path_factory, "custom", (192, 640), zoom=True))
    network = load_weights(zoomed.weights)
    found = count_bundle(zoomed, network)
    assert all(cost.agree for cost in found.values())
    heads = count_heads(network)
    plain = count_heads(load_weights(zoomed.weights, zoom=False))
    assert found["backbone"].graph.total == heads["backbone"].flops + heads["fpn"].flops
    assert found["instance"].graph.total == heads["rpn"].flops + heads["instance"].flops
    # The middle has 128 x 640 pixels, two thirds of the input's.
    assert heads["backbone"].flops * 3 == plain["backbone"].flops * 5
    assert heads["semantic"] == plain["semantic"] and heads["motion"] == plain["motion"]


@pytest.mark.parametrize("lowering", ["custom", "gridsample"])
def test_every_lowering_of_the_motion_head_costs_the_same(lowering: Lowering) -> None:
    network = Network(
        ModelConfig(preset="nano", **{**PRESETS["nano"], "height": 64, "width": 128})
    ).eval()
    info = model_info(network.config, network.backbone.channels[2])
    motion = next(s for s in list_subgraphs(network, info) if s.spec.name == "motion")
    with torch.inference_mode(), disabled():
        _, operators = count(motion.module, *motion.examples)
    assert count_graph(finish(trace(motion), motion, info, lowering)) == operators
