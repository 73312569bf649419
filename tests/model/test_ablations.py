"""The ablations of Tables V and VI: each trains, tracks, and is what its name says."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

from mapt.config import ModelConfig, preset
from mapt.errors import InputError
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.lowering.folded_subgraphs import list_subgraphs
from mapt.model.heads.motion import soft_iou
from mapt.model.heads.optical_flow import flow_offsets, pack_grey
from mapt.model.network import Network
from mapt.model.subgraphs import model_info
from mapt.model.targets import PairBatch
from mapt.runtime import PanopticTracker

VARIANTS = (
    {"motion_input": "backbone"},
    {"motion_input": "flow"},
    {"appearance_input": "box"},
    {"appearance_input": "mask"},
)


def tiny(**overrides: object) -> ModelConfig:
    return preset(
        "nano", **{"height": 64, "width": 128, "detections": 8, "roi_samples": 16, **overrides}
    )


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_each_trains_every_parameter_and_tracks(
    variant: dict[str, object], moving_rectangles: Callable[..., PairBatch]
) -> None:
    torch.manual_seed(0)
    network = Network(tiny(**variant)).train()
    batch = moving_rectangles(1, 64, 128)
    losses = network.losses(batch)
    torch.stack(list(losses.values())).sum().backward()
    assert not [
        name for name, p in network.named_parameters() if p.grad is None and p.requires_grad
    ]
    tracker = PanopticTracker(TorchBackend(network.eval()))
    for stamp, images in enumerate((batch.images_prev, batch.images)):
        frame = tracker.step(images[0].numpy(), stamp * 100_000_000)
    assert frame.semantic.shape == (64, 128)


def test_backbone_features_cost_the_motion_head_what_semantic_ones_do() -> None:
    motion = [
        sum(p.numel() for p in Network(preset("base", motion_input=kind)).motion.parameters())
        for kind in ("semantic", "backbone", "flow")
    ]
    assert motion[0] == motion[1] > 100 * motion[2]


def test_the_image_survives_its_packing() -> None:
    image = torch.randint(0, 256, (2, 64, 128, 3), dtype=torch.uint8)
    packed = pack_grey(image, 128)
    assert packed.shape == (2, 128, 8, 16)
    with pytest.raises(InputError, match="at least 64"):
        tiny(motion_input="flow", semantic_channels=32)


def test_flow_carries_masks_where_the_picture_went() -> None:
    """A textured picture moves by 16 pixels to the right and 8 down: two cells and one."""
    rng = np.random.default_rng(0)
    texture = sum(  # blobs of every size
        np.asarray(
            cv2.resize(rng.random((6 * k, 12 * k, 3)), (192, 96), interpolation=cv2.INTER_CUBIC)
        )
        for k in (1, 2, 4)
    )
    texture = (np.clip(texture / 3, 0, 1) * 255).astype(np.uint8)
    before, now = (np.roll(texture, (dy, dx), (0, 1))[None] for dy, dx in ((0, 0), (8, 16)))
    packed = [
        pack_grey(torch.from_numpy(np.ascontiguousarray(image)), 128) for image in (before, now)
    ]
    offsets = flow_offsets(*packed)[0, :, 3:9, 6:20]
    assert offsets[0].median() == pytest.approx(-1, abs=0.1) and offsets[
        1
    ].median() == pytest.approx(-2, abs=0.1)
    motion = Network(tiny(motion_input="flow", height=96, width=192)).eval().motion
    mask = torch.zeros(1, 1, 12, 24)
    wanted = torch.zeros(1, 1, 12, 24)
    mask[0, 0, 4:7, 8:13] = 1.0
    wanted[0, 0, 5:8, 10:15] = 1.0
    carried = motion.propagate(mask, motion.offset_fields(*packed)[0]).sigmoid()
    assert soft_iou((carried > 0.5).float(), wanted).item() > 0.8
    assert soft_iou(mask, wanted).item() < 0.3


def test_flow_cannot_be_exported() -> None:
    network = Network(tiny(motion_input="flow"))
    with pytest.raises(InputError, match="cannot be exported; track with the weights"):
        list_subgraphs(network, model_info(network.config, network.backbone.channels[2]))


def test_the_box_ignores_the_mask_and_only_the_full_head_its_motion() -> None:
    roi = torch.randn(3, 64, 7, 7)
    mask = torch.rand(3, 7, 7)
    f_p = torch.randn(3, 32, 7, 7)
    changed = {}
    for kind in ("box", "mask", "mask_motion"):
        torch.manual_seed(0)
        head = Network(tiny(appearance_input=kind)).eval().appearance
        plain = head(roi, mask, f_p)
        changed[kind] = (
            not torch.equal(plain, head(roi, mask * 0.5, f_p)),
            not torch.equal(plain, head(roi, mask, f_p * 2)),
        )
    assert changed == {"box": (False, False), "mask": (True, False), "mask_motion": (True, True)}
