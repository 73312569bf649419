"""The assembled network: contract shapes, sizes of the paper, losses with and without objects."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from mapt.config import ModelConfig, preset
from mapt.contract import SUBGRAPHS
from mapt.model.network import Head, Network
from mapt.model.subgraphs import build_subgraphs, model_info
from mapt.model.targets import PairBatch

Scenes = Callable[..., PairBatch]


def tiny(**overrides: object) -> ModelConfig:
    return preset(
        "nano", **{"height": 64, "width": 128, "detections": 8, "roi_samples": 16, **overrides}
    )


def run_all(network: Network) -> dict[str, torch.Tensor]:
    """Run the subgraphs in order, feeding each from the ones before."""
    info = model_info(network.config, network.backbone.channels[2])
    torch.manual_seed(0)
    known: dict[str, torch.Tensor] = {}
    for spec in SUBGRAPHS:
        inputs = []
        for tensor in spec.inputs:
            shape = tensor.resolve(info.sizes)
            if tensor.name == "image":
                inputs.append(torch.randint(0, 256, shape, dtype=torch.uint8))
            elif tensor.name in known and known[tensor.name].shape == shape:
                inputs.append(known[tensor.name])
            elif tensor.name == "rows":
                slots = torch.arange(-1, shape[0] - 1, dtype=torch.int32)
                inputs.append(slots.clamp(max=info.sizes["D"] - 1))
            else:
                inputs.append(torch.rand(shape))
        with torch.inference_mode():
            outputs = build_subgraphs(network)[spec.name](*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for tensor, value in zip(spec.outputs, outputs, strict=True):
            assert value.shape == tensor.resolve(info.sizes), tensor.name
            assert str(value.dtype) == f"torch.{tensor.dtype}", tensor.name
            known[tensor.name] = value
    return known


@pytest.mark.parametrize("name", ["nano", "micro", "small", "base"])
def test_subgraphs_keep_the_contract(name: str) -> None:
    known = run_all(Network(preset(name, height=64, width=128, detections=8)))
    count = int(known["count"])
    assert (known["scores"][:count] > 0).all()
    assert (known["scores"][:-1] >= known["scores"][1:]).all()
    assert known["boxes"][count:].abs().sum() == 0
    assert known["masks8"].min() >= 0 and known["masks8"].max() <= 1


def test_the_motion_head_of_base_has_the_papers_size() -> None:
    motion = Network(preset("base")).motion
    assert sum(p.numel() for p in motion.parameters()) / 1e6 == pytest.approx(0.38, abs=0.005)


def test_an_untrained_motion_head_carries_masks_to_where_they_were() -> None:
    motion = Network(tiny()).eval().motion
    masks = torch.zeros(2, 1, 8, 16)
    masks[0, 0, 2:5, 3:9] = 1.0
    masks[1, 0, 5:, :4] = 1.0
    s = torch.rand(1, 128, 8, 16)
    carried = motion.propagate(masks, motion.offset_fields(s, s)[0]).sigmoid()
    assert ((carried > 0.5) == (masks > 0.5)).all()


def test_labels_are_stuff_only() -> None:
    labels = run_all(Network(tiny()))["labels"]
    assert not set(labels.unique().tolist()) & {11, 13}


def test_losses_are_finite_and_reach_every_parameter(moving_rectangles: Scenes) -> None:
    torch.manual_seed(0)
    network = Network(tiny()).train()
    losses = network.losses(moving_rectangles(2, 64, 128))
    assert set(losses) == {
        "semantic",
        "rpn_score",
        "rpn_box",
        "class",
        "box",
        "mask",
        "motion",
        "appearance",
    }
    torch.stack(list(losses.values())).sum().backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None and p.requires_grad]
    assert not missing
    assert all(
        bool(p.grad is not None and p.grad.isfinite().all())
        for p in network.parameters()
        if p.requires_grad
    )


def test_frames_without_objects_train(moving_rectangles: Scenes) -> None:
    torch.manual_seed(0)
    network = Network(tiny()).train()
    losses = network.losses(moving_rectangles(2, 64, 128, objects=0))
    torch.stack(list(losses.values())).sum().backward()
    assert all(bool(loss.isfinite()) for loss in losses.values())
    assert losses["motion"].item() == losses["appearance"].item() == losses["mask"].item() == 0
    # Processes that share a batch wait for every gradient, also of the one that has no object.
    assert not [
        name for name, p in network.named_parameters() if p.grad is None and p.requires_grad
    ]


def test_training_keeps_the_backbones_statistics(moving_rectangles: Scenes) -> None:
    network = Network(tiny()).train()
    before = {n: b.clone() for n, b in network.backbone.named_buffers()}
    network.losses(moving_rectangles(1, 64, 128))
    assert all(torch.equal(b, before[n]) for n, b in network.backbone.named_buffers())


def test_heads_that_do_not_learn_stay_as_they_are(moving_rectangles: Scenes) -> None:
    """Heads alone, on fixed features: no weight and no norm statistic of anything else changes."""
    torch.manual_seed(0)
    network = Network(tiny())
    network.learn(("motion", "appearance"), shared=False)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    losses = network.losses(moving_rectangles(2, 64, 128))
    assert set(losses) == {"motion", "appearance"}
    torch.stack(list(losses.values())).sum().backward()
    torch.optim.SGD([p for p in network.parameters() if p.grad is not None], 0.1).step()
    changed = {
        n.split(".")[0]
        for n, value in network.state_dict().items()
        if not torch.equal(value, before[n])
    }
    assert changed == {"motion", "appearance"}


def test_the_motion_head_learns_alone_what_it_learns_with_the_other(
    moving_rectangles: Scenes,
) -> None:
    gradients = []
    choices: tuple[tuple[Head, ...], ...] = (("motion",), ("motion", "appearance"))
    for heads in choices:
        torch.manual_seed(0)
        network = Network(tiny())
        network.learn(heads, shared=False)
        network.train().losses(moving_rectangles(2, 64, 128))["motion"].backward()
        gradients.append(
            {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        )
    assert gradients[0] and gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradient, gradients[1][name]) for name, gradient in gradients[0].items())


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_appearance_without_motion_reads_no_frame_before(
    moving_rectangles: Scenes, kind: str
) -> None:
    torch.manual_seed(0)
    network = Network(tiny(appearance_input=kind))
    batch = moving_rectangles(2, 64, 128)
    network.learn(["appearance"], shared=False)
    losses = network.train().losses(batch)
    assert list(losses) == ["appearance"] and losses["appearance"] > 0
    again = network.losses(replace(batch, images_before=255 - batch.images_before))
    assert torch.equal(losses["appearance"], again["appearance"])


def test_without_motion_and_appearance_a_sample_is_one_frame(moving_rectangles: Scenes) -> None:
    torch.manual_seed(0)
    network = Network(tiny())
    batch = moving_rectangles(2, 64, 128)
    network.learn(("semantic", "instance"))
    network.train()
    losses = network.losses(batch)
    assert set(losses) == {"semantic", "rpn_score", "rpn_box", "class", "box", "mask"}
    torch.stack(list(losses.values())).sum().backward()
    assert not [
        name for name, p in network.named_parameters() if p.grad is None and p.requires_grad
    ]
    other = replace(batch, images_before=batch.images, images_prev=batch.images, prev=batch.now)
    again = network.losses(other)
    assert all(torch.equal(again[name], loss) for name, loss in losses.items())
